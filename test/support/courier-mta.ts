// The real Courier as the laboratory's mail host, started as Debian's start scripts do.
import { chmod, writeFile } from 'node:fs/promises'
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'
import { addSystemUsers, SYSTEM_USERS } from './system-users.ts'

/** The running Courier. Port 25 on the server's addresses. */
export interface CourierMta extends MtaProcess {
  readonly root: OverlayRoot
  /** A program on the host that runs `refresh` where Courier runs; makesmtpaccess in it fails while Courier does not run. */
  readonly refresh: string
}

// No name server answers here, and ports have no names. Debian's settings allow 5 connections from one network.
const SETTINGS = 'PORT=25 BOFHCHECKDNS=0 TARPIT=0 MAXPERIP=100 MAXPERC=100 MAXDAEMONS=200'
const START = `mkdir -p /run/courier/authdaemon
chown courier:courier /run/courier
hostname mx
authdaemond start
courier start
esmtpd start
while sleep 1d; do :; done`

/** Makes smtpaccess.dat once, then starts Courier and waits until it answers on IPv4 and IPv6. `refresh` is a script for `sh -e`. */
export async function startCourierMta(lab: Lab, refresh: string): Promise<CourierMta> {
  const root = await lab.root('courierMta')
  await addSystemUsers(root)
  for (const user of SYSTEM_USERS) await root.exec(['su', user, '-c', 'maildirmake.courier ~/Maildir'])
  for (const name of ['me', 'locals', 'defaultdomain']) await root.write(`/etc/courier/${name}`, `${MAIL_HOST}\n`)
  await root.exec(['useradd', '--system', '--user-group', '--no-create-home', 'popauthd'])
  await root.write('/usr/local/sbin/refresh', `#!/bin/sh -e\n${refresh}`, 0o755)
  const lines = `cat >>/etc/courier/esmtpd; sed -i 's/^TCPDOPTS="/&-nodnslookup /' /etc/courier/esmtpd`
  await root.exec(['sh', '-ec', lines], { input: `${SETTINGS.replaceAll(' ', '\n')}\n` })
  await root.exec(['makesmtpaccess'])
  const process = await startMta(lab, root, ['unshare', '--uts', 'sh', '-ec', START])
  return { ...process, root, ...(await restarting(lab, process)) }
}

/** Where that program lies. */
export const refreshProgram = (lab: Lab) => `${lab.shared}/run/refresh`

// Courier has processes of its own numbering: what is told to its process 52 must not reach another one's.
async function restarting(lab: Lab, process: MtaProcess): Promise<Pick<CourierMta, 'refresh' | 'restart'>> {
  const [program, pidFile] = [refreshProgram(lab), `${lab.shared}/run/courier.pid`]
  const enter = 'exec nsenter --target "$pid" --pid --mount --root --wd'
  await writeFile(program, `#!/bin/sh\nread -r pid <${pidFile} || exit 1\n${enter} /usr/local/sbin/refresh\n`)
  await chmod(program, 0o755)
  const writePid = async () => writeFile(pidFile, `${await process.pid()}\n`)
  await writePid()
  const restart = async () => {
    await process.restart()
    await writePid()
  }
  return { refresh: program, restart }
}

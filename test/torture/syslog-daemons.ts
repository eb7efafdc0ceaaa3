// rsyslog and syslog-ng as the writers of the tortured logs: each log has a Unix stream socket that the test sends lines to.
import { access, writeFile } from 'node:fs/promises'
import { type ChrootProcess, startInRoot } from '../support/chroot-process.ts'
import type { Lab } from '../support/lab.ts'
import { waitFor } from '../support/wait-for.ts'

/** A log that a syslog daemon writes. */
interface ServedLog {
  readonly path: string
  readonly socket: string
}

/** Starts rsyslog. Resolves with the command that makes it reopen its files, for the script of a rotation tool. */
export async function startTorturedRsyslog(lab: Lab, logs: readonly ServedLog[]): Promise<string> {
  const root = await lab.root('dovecot', 'tortured-rsyslog')
  const each = logs.map(
    ({ path, socket }, i) => `input(type="imptcp" path="${socket}" ruleset="log${i}")
ruleset(name="log${i}") { action(type="omfile" file="${path}" template="RSYSLOG_TraditionalFileFormat" fileCreateMode="0640") }
`,
  )
  const head = 'global(workDirectory="/var/spool/rsyslog" localHostname="mx")\nmodule(load="imptcp")\n'
  await root.write('/etc/rsyslog.conf', head + each.join(''))
  return start(lab, root.path, 'rsyslogd', ['rsyslogd', '-n', '-i', '/run/rsyslogd.pid'], logs)
}

/** Starts syslog-ng; see {@link startTorturedRsyslog}. */
export async function startSyslogNg(lab: Lab, logs: readonly ServedLog[]): Promise<string> {
  const root = await lab.root('syslogNg', 'syslog-ng')
  const each = logs.map(
    ({ path, socket }, i) => `source s${i} { unix-stream("${socket}" flags(expect-hostname)); };
destination d${i} { file("${path}" perm(0640)); };
log { source(s${i}); destination(d${i}); };
`,
  )
  const options = 'options { keep-hostname(yes); stats-freq(0); flush-lines(0); };'
  await root.write('/etc/syslog-ng/syslog-ng.conf', `@version: 3.38\n${options}\n${each.join('')}`)
  return start(lab, root.path, 'syslog-ng', ['syslog-ng', '--foreground', '--no-caps'], logs)
}

async function start(
  lab: Lab,
  root: string,
  name: string,
  commandLine: readonly string[],
  logs: readonly ServedLog[],
): Promise<string> {
  const process: ChrootProcess = startInRoot(root, lab.server, commandLine)
  lab.adopt(process)
  await waitFor(`the sockets of ${name}`, async () => {
    if (!process.running()) throw new Error(`${name} ended: ${process.output()}`)
    const found = await Promise.all(
      logs.map(({ socket }) =>
        access(socket)
          .then(() => true)
          .catch(() => false),
      ),
    )
    return found.every(Boolean) || undefined
  })
  const pidFile = `${lab.shared}/run/${name}.pid`
  await writeFile(pidFile, String(await process.pid()))
  return `kill -HUP $(cat ${pidFile})`
}

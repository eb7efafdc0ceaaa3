// Syslog daemons on a host of their own that forward to popauthd, and programs that log there.
import { readFile } from 'node:fs/promises'
import { type ChrootProcess, startInRoot } from '../../support/chroot-process.ts'
import type { Lab } from '../../support/lab.ts'
import type { LabHost } from '../../support/netns.ts'
import type { OverlayRoot } from '../../support/overlay-root.ts'
import { waitFor } from '../../support/wait-for.ts'

/** Where programs of the sending host log, as seen in its root. */
const SOCKET = '/run/sender.sock'

/** A certificate and its key on the test's host, and the authority of the receiver. */
export interface SenderFiles {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** What a sender runs, with which part of the guide, and where it finds popauthd's socket and pipe. */
interface SenderOptions {
  readonly kind: 'rsyslog' | 'syslog-ng'
  /** A name of its own within the laboratory. */
  readonly name: string
  readonly settings: string
  readonly files?: SenderFiles
  /** What /run/popauthd is on the sending host. */
  readonly runDirectory: string
}

/** A running syslog daemon. */
export class Sender implements AsyncDisposable {
  readonly #root: OverlayRoot
  readonly #process: ChrootProcess

  private constructor(root: OverlayRoot, process: ChrootProcess) {
    this.#root = root
    this.#process = process
  }

  static async start(lab: Lab, host: LabHost, options: SenderOptions): Promise<Sender> {
    const { kind, name, settings, files, runDirectory } = options
    const root = await lab.root(kind === 'rsyslog' ? 'rsyslog' : 'syslogNg', name)
    await root.exec(['ln', '-sfn', runDirectory, '/run/popauthd'])
    if (files !== undefined) await installFiles(root, `/etc/${kind}-popauthd`, files)
    const process = startInRoot(root.path, host, await (kind === 'rsyslog' ? rsyslog : syslogNg)(root, settings))
    lab.adopt(process)
    const sender = new Sender(root, process)
    await waitFor(`the socket of ${name}`, async () => {
      if (!process.running()) throw new Error(`${name} has ended: ${process.output()}`)
      return (await root.tryExec(['test', '-S', SOCKET])).code === 0 || undefined
    })
    return sender
  }

  /** What the daemon says about itself. */
  get output(): string {
    return this.#process.output()
  }

  /** A program logs this, as logger(1) does it. */
  async log(tag: string, text: string): Promise<void> {
    await this.#root.exec([
      'logger',
      '--socket',
      SOCKET,
      '--id=4242',
      '--tag',
      tag,
      '--priority',
      'mail.info',
      '--',
      text,
    ])
  }

  /** A program writes these bytes to the socket, as any can. */
  async logRaw(bytes: string): Promise<void> {
    const script = 'socket(S, AF_UNIX, SOCK_DGRAM, 0); local $/; send(S, <STDIN>, 0, sockaddr_un(shift)) or die $!'
    await this.#root.exec(['perl', '-MSocket', '-e', script, SOCKET], { input: bytes })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill()
  }
}

async function installFiles(root: OverlayRoot, directory: string, files: SenderFiles): Promise<void> {
  await root.write(`${directory}/ca.pem`, await readFile(files.ca, 'utf8'))
  await root.write(`${directory}/pop.pem`, await readFile(files.certificate, 'utf8'))
  await root.write(`${directory}/pop.key`, await readFile(files.key, 'utf8'), 0o600)
}

/** Writes the configuration, of which the distribution's would be the first lines; gives the command. */
async function rsyslog(root: OverlayRoot, settings: string): Promise<string[]> {
  await root.write(
    '/etc/rsyslog.conf',
    `global(workDirectory="/var/spool/rsyslog")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${SOCKET}" RateLimit.Interval="0")
$IncludeConfig /etc/rsyslog.d/popauthd.conf
`,
  )
  await root.write('/etc/rsyslog.d/popauthd.conf', settings)
  return ['rsyslogd', '-n', '-i', '/run/rsyslogd.pid']
}

async function syslogNg(root: OverlayRoot, settings: string): Promise<string[]> {
  await root.write(
    '/etc/syslog-ng/syslog-ng.conf',
    `@version: 3.38
source s_src { unix-dgram("${SOCKET}"); };
@include "/etc/syslog-ng/conf.d/popauthd.conf"
`,
  )
  await root.write('/etc/syslog-ng/conf.d/popauthd.conf', settings)
  return ['syslog-ng', '--foreground', '--no-caps', '--stderr']
}

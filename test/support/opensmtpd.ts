// The real OpenSMTPD as the laboratory's mail host: 7.6 of Debian 13 with popauthd's table program, or 6.8 of Debian 12.
import { chmod, copyFile, mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Lab } from './lab.ts'
import { type MtaProcess, startMta } from './mta-process.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import { MAIL_HOST, type OverlayRoot } from './overlay-root.ts'

/** The table program under test, as it was built. */
const TABLE_PROGRAM = fileURLToPath(new URL('../../dist/table-popauthd.js', import.meta.url))

/** Where docs/install.md puts it. */
const INSTALLED = '/usr/local/lib/popauthd/dist/table-popauthd.js'

/** What differs from one test to the next. */
export interface OpensmtpdOptions {
  /** Tables and `match` rules, for the actions `local` and `relay`. */
  readonly rules: string
  /** By default that of Debian 13, which has the table protocol. */
  readonly version?: '7.6' | '6.8'
  /** Shell commands to be run before smtpd is started, where popauthd is installed as docs/install.md has it. */
  readonly script?: string
}

/** An smtpd that is ready to be started. Port 25 on the server's addresses; local mail goes to ~/Maildir, mail for elsewhere stays in the queue. */
export interface PreparedOpensmtpd {
  readonly root: OverlayRoot
  /** Starts it and waits until it answers on IPv4 and IPv6: call this once. @throws {Error} where it does not start */
  start(): Promise<MtaProcess>
}

/** The running smtpd. */
export interface OpensmtpdServer extends MtaProcess {
  readonly root: OverlayRoot
}

/** Sets smtpd up. Its file tables must be there when it is started. */
export async function prepareOpensmtpd(lab: Lab, options: OpensmtpdOptions): Promise<PreparedOpensmtpd> {
  const { rules, version = '7.6', script } = options
  const root = await lab.root(version === '7.6' ? 'opensmtpd' : 'opensmtpdFiles')
  await root.write('/etc/smtpd.conf', configuration(rules))
  for (const user of ['alice', 'bob']) await root.exec(['useradd', '--create-home', user])
  if (script !== undefined) {
    await installTableProgram(root)
    await root.exec(['sh', '-ec', script])
  }
  return { root, start: () => startMta(lab, root, ['smtpd', '-d']) }
}

/** Starts smtpd and waits until it answers. */
export async function startOpensmtpd(lab: Lab, options: OpensmtpdOptions): Promise<OpensmtpdServer> {
  const { root, start } = await prepareOpensmtpd(lab, options)
  return { ...(await start()), root }
}

/** With a package.json, as it is there. */
async function installTableProgram(root: OverlayRoot): Promise<void> {
  await root.write('/usr/local/lib/popauthd/package.json', '{ "type": "module" }\n')
  await mkdir(`${root.path}/usr/local/lib/popauthd/dist`, { recursive: true })
  await copyFile(TABLE_PROGRAM, root.path + INSTALLED)
  await chmod(root.path + INSTALLED, 0o755)
}

function configuration(rules: string): string {
  return `table aliases file:/etc/aliases

listen on ${SERVER_ADDRESS} hostname ${MAIL_HOST}
listen on ${SERVER_ADDRESS6} hostname ${MAIL_HOST}

action "local" maildir alias <aliases>
action "relay" relay

${rules}`
}

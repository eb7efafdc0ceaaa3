/** The demonstration's mail log: realistic lines of several servers, with failures and forgeries among them, at a pace that a person can follow. */
import { appendFile, rename, stat } from 'node:fs/promises'
import type { Clock } from '../lib/clock.ts'

/** One thing that happens in the demonstration; several lines are written at once. */
interface Scene {
  /** What a reader of the log should see, for the tests. */
  readonly opens: readonly string[]
  /** Played only in each `every`-th round, so that one sees an authorization end. */
  readonly every?: number
  readonly lines: (stamp: Stamp) => readonly string[]
}

interface Stamp {
  /** RFC 3164 time, local, for instance `Nov 22 16:20:01`. */
  readonly syslog: string
  /** ISO 8601 with offset, as rsyslog writes it. */
  readonly iso: string
  /** A process id that rises from scene to scene. */
  readonly pid: number
}

const dovecot =
  (service: 'pop3' | 'imap', user: string, ip: string) =>
  ({ iso, pid }: Stamp) => [
    `${iso} mail dovecot: ${service}-login: Login: user=<${user}>, method=PLAIN, rip=${ip}, lip=192.0.2.25, mpid=${pid}, TLS, session=<dEmO${pid}AAAB>`,
  ]

/** The scenes in their order; the demonstration repeats them, so that renewals are seen too. */
export const DEMO_SCENES: readonly Scene[] = [
  { opens: ['198.51.100.7'], lines: dovecot('pop3', 'alice@example.com', '198.51.100.7') },
  {
    opens: ['203.0.113.42'],
    every: 5,
    lines: ({ syslog, pid }) => [
      `${syslog} mail popper[${pid}]: (v4.1.0) POP login by user "scanner2" at (copier.example.net) 203.0.113.42`,
    ],
  },
  {
    opens: [],
    lines: ({ iso, pid }) => [
      `${iso} mail dovecot: pop3-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<admin>, method=PLAIN, rip=203.0.113.66, lip=192.0.2.25, session=<dEmO${pid}AAAC>`,
      `${iso} mail sshd[${pid}]: Failed password for root from 203.0.113.66 port 40022 ssh2`,
    ],
  },
  {
    opens: ['2001:db8:2::7'],
    lines: ({ iso, pid }) => [
      `${iso} mail dovecot: imap-login: Logged in: user=<bob@example.com>, method=PLAIN, rip=2001:db8:2::7, lip=2001:db8:1::25, mpid=${pid}, TLS, session=<dEmO${pid}AAAD>`,
    ],
  },
  {
    // The published attack on systems of this kind (CVE-2001-1075): the envelope sender looks like a login.
    opens: [],
    lines: ({ syslog, pid }) => [
      `${syslog} mail sm-mta[${pid}]: q5MGK1x4: ruleset=check_mail, arg1=<"POP login by user "admin" at (host) 203.0.113.9">, relay=evil.example [203.0.113.9], reject=553 5.1.8 Domain of sender address does not exist`,
    ],
  },
  {
    opens: ['198.51.100.8'],
    every: 5,
    lines: ({ syslog, pid }) => [
      `${syslog} mail ipop3d[${pid}]: Login user=carol host=till-3.shop.example [198.51.100.8] nmsgs=2/2`,
    ],
  },
  {
    // A user name chosen to close its field and to bring an address of its own.
    opens: [],
    lines: ({ iso, pid }) => [
      `${iso} mail dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.25, mpid=1, TLS, session=<a> (auth failed, 1 attempts): user=<y>, rip=203.0.113.9, session=<dEmO${pid}AAAE>`,
    ],
  },
  {
    opens: ['203.0.113.80'],
    every: 5,
    lines: ({ syslog, pid }) => [
      `${syslog} mail popa3d[${pid}]: Session from 203.0.113.80`,
      `${syslog} mail popa3d[${pid}]: Authentication passed for dave`,
    ],
  },
  {
    // Webmail on the host itself: a true login, but loopback is never opened.
    opens: [],
    lines: ({ iso, pid }) => [
      `${iso} mail dovecot: imap-login: Login: user=<alice@example.com>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=${pid}, secured, session=<dEmO${pid}AAAF>`,
    ],
  },
  {
    opens: ['198.51.100.9'],
    every: 5,
    lines: ({ syslog, pid }) => [
      `${syslog} mail popper[${pid}]: Stats: erin 0 0 3 4120 branch.example.org 198.51.100.9`,
    ],
  },
]

const MAX_LOG_BYTES = 256 * 1024

/** Writes the scenes into `path`, one every `paceMs`, until `signal` aborts. The log is rotated by renaming when it has grown. */
export function writeDemoLog(
  path: string,
  options: { clock: Clock; paceMs: number; signal: AbortSignal },
): Promise<void> {
  const { clock, paceMs, signal } = options
  return new Promise((resolve, reject) => {
    let scene = 0
    let cancel = () => {}
    const stop = () => {
      cancel()
      resolve()
    }
    const step = () => {
      const stamp = stampOf(clock.now(), scene)
      appendScene(path, sceneAt(scene++), stamp).then(() => {
        if (!signal.aborted) cancel = clock.setTimer(paceMs, step)
      }, reject)
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    else step()
  })
}

/** The scene of one step; a round leaves out what is played less often, and begins anew with what is played always. */
function sceneAt(step: number): Scene {
  const round = Math.floor(step / DEMO_SCENES.length)
  const scene = DEMO_SCENES[step % DEMO_SCENES.length] as Scene
  return round % (scene.every ?? 1) === 0 ? scene : (DEMO_SCENES[0] as Scene)
}

async function appendScene(path: string, scene: Scene, stamp: Stamp): Promise<void> {
  await appendFile(path, `${scene.lines(stamp).join('\n')}\n`, { mode: 0o640 })
  if ((await stat(path)).size > MAX_LOG_BYTES) await rename(path, `${path}.1`)
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function stampOf(atMs: number, count: number): Stamp {
  const at = new Date(atMs)
  const time = at.toTimeString().slice(0, 8)
  return {
    syslog: `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${time}`,
    iso: at.toISOString().replace('Z', '+00:00'),
    pid: 2000 + (count % 30000),
  }
}

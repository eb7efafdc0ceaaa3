/** A mail log as a busy host writes it, made up but always the same: 2% logins of four servers among the lines of everything else. */
import { closeSync, openSync, writeSync } from 'node:fs'

/** What was written. `logins`: per parser id; `dovecotLines`: those that hold Dovecot's literal, which are exactly its logins here. */
export interface MixedLog {
  readonly path: string
  readonly bytes: number
  readonly lines: number
  readonly logins: Readonly<Record<ServerId, number>>
}

/** The servers whose logins the log holds. */
export type ServerId = 'dovecot' | 'qpopper' | 'uw-imap' | 'popa3d'

/** What `grep` looks for to find Dovecot's logins. */
export const DOVECOT_LITERAL = 'Login: user=<'

const CHUNK_CHARS = 1 << 20
const START_S = Date.UTC(2026, 0, 5) / 1000
const LINES_PER_SECOND = 7
const HOST = 'mx1'

/** Numbers that look random and are the same in every run (the xorshift generator of G. Marsaglia, 2003). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 1
  }

  below(limit: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return (x >>> 0) % limit
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  letters(alphabet: string, count: number): string {
    let text = ''
    for (let i = 0; i < count; i++) text += alphabet[this.below(alphabet.length)]
    return text
  }
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const QUEUE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const NAMES = [
  'alice',
  'bob',
  'carol',
  'dave',
  'erin',
  'o.brien',
  'scanner2',
  'info',
  'sales',
  'k.schmidt',
  'webmaster',
]
const DOMAINS = ['example.com', 'example.net', 'example.org', 'mail.example.com', 'customer-7.example.net']
const WRONG_NAMES = ['root', 'admin', 'test', 'oracle', 'ubuntu', 'postgres', 'git', 'support', 'user1']

const client = (d: Dice) => `198.51.${100 + d.below(4)}.${1 + d.below(254)}`
const stranger = (d: Dice) => `203.0.113.${1 + d.below(254)}`
const account = (d: Dice) => (d.below(2) === 0 ? d.pick(NAMES) : `${d.pick(NAMES)}${d.below(900)}@${d.pick(DOMAINS)}`)
const mailbox = (d: Dice) => `${d.pick(NAMES)}${d.below(90)}@${d.pick(DOMAINS)}`
const queueId = (d: Dice) => `6AM${d.letters(QUEUE, 5)}0${10_000 + d.below(89_999)}`
const session = (d: Dice) => d.letters(BASE64, 16)
const reverse = (d: Dice) => `dsl-${d.below(250)}.pool-${d.below(9)}.${d.pick(DOMAINS)}`

type Text = (d: Dice, pid: number) => string

const LOGINS: readonly (readonly [
  weight: number,
  server: ServerId,
  lines: (d: Dice, pid: number) => readonly string[],
])[] = [
  [
    10,
    'dovecot',
    (d, pid) => [
      `dovecot: ${d.pick(['imap', 'pop3'])}-login: ${DOVECOT_LITERAL}${account(d)}>, method=PLAIN, rip=${client(d)}, lip=192.0.2.25, mpid=${pid}, TLS, session=<${session(d)}>`,
    ],
  ],
  [
    3,
    'qpopper',
    (d, pid) => {
      const ip = client(d)
      return [`popper[${pid}]: (v4.1.0) POP login by user "${d.pick(NAMES)}" at (${reverse(d)}) ${ip}`]
    },
  ],
  [
    4,
    'uw-imap',
    (d, pid) => [`ipop3d[${pid}]: Login user=${d.pick(NAMES)} host=${reverse(d)} [${client(d)}] nmsgs=3/12`],
  ],
  [
    3,
    'popa3d',
    (d, pid) => [
      `popa3d[${pid}]: Session from ${client(d)}`,
      `popa3d[${pid}]: Authentication passed for ${d.pick(NAMES)}`,
    ],
  ],
]

const NOISE: readonly (readonly [weight: number, text: Text])[] = [
  [
    150,
    (d, pid) =>
      `sm-mta[${pid}]: ${queueId(d)}: from=<${mailbox(d)}>, size=${d.below(90_000)}, class=0, nrcpts=1, msgid=<${d.letters(QUEUE, 22)}@${d.pick(DOMAINS)}>, proto=ESMTPS, daemon=MTA-v4, relay=${reverse(d)} [${stranger(d)}]`,
  ],
  [
    190,
    (d, pid) =>
      `sm-mta[${pid}]: ${queueId(d)}: to=<${mailbox(d)}>, delay=00:00:0${d.below(9)}, xdelay=00:00:01, mailer=esmtp, pri=${30_000 + d.below(90_000)}, relay=mx.${d.pick(DOMAINS)}. [${stranger(d)}], dsn=2.0.0, stat=Sent (ok: queued as ${d.letters(QUEUE, 11)})`,
  ],
  [
    70,
    (d, pid) =>
      `sm-mta[${pid}]: STARTTLS=server, relay=${reverse(d)} [${stranger(d)}], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256`,
  ],
  [
    40,
    (d, pid) =>
      `sm-mta[${pid}]: ${queueId(d)}: ruleset=check_rcpt, arg1=<${mailbox(d)}>, relay=[${stranger(d)}], reject=550 5.7.1 <${mailbox(d)}>... Relaying denied`,
  ],
  [
    90,
    (d, pid) =>
      `sshd[${pid}]: Failed password for invalid user ${d.pick(WRONG_NAMES)} from ${stranger(d)} port ${1024 + d.below(60_000)} ssh2`,
  ],
  [
    60,
    (d, pid) =>
      `sshd[${pid}]: Connection closed by authenticating user root ${stranger(d)} port ${1024 + d.below(60_000)} [preauth]`,
  ],
  [
    50,
    (d, pid) => `sshd[${pid}]: Invalid user ${d.pick(WRONG_NAMES)} from ${stranger(d)} port ${1024 + d.below(60_000)}`,
  ],
  [
    60,
    (d) =>
      `dovecot: ${d.pick(['imap', 'pop3'])}-login: Disconnected (auth failed, ${1 + d.below(9)} attempts in ${2 + d.below(40)} secs): user=<${d.pick(WRONG_NAMES)}>, method=PLAIN, rip=${stranger(d)}, lip=192.0.2.25, TLS, session=<${session(d)}>`,
  ],
  [
    40,
    (d) =>
      `dovecot: imap-login: Aborted login (no auth attempts in 0 secs): user=<>, rip=${stranger(d)}, lip=192.0.2.25, TLS: SSL_read() syscall failed: Connection reset by peer, session=<${session(d)}>`,
  ],
  [
    80,
    (d, pid) =>
      `dovecot: imap(${account(d)})<${pid}><${session(d)}>: Disconnected: Logged out in=${d.below(9000)} out=${d.below(90_000)} deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0`,
  ],
  [
    20,
    (d, pid) =>
      `popper[${pid}]: [AUTH] Failed attempted login to ${d.pick(WRONG_NAMES)} from host (${reverse(d)}) ${stranger(d)}`,
  ],
  [
    20,
    (d, pid) =>
      `ipop3d[${pid}]: Login failed user=${d.pick(WRONG_NAMES)} auth=${d.pick(WRONG_NAMES)} host=[${stranger(d)}]`,
  ],
  [30, (d, pid) => `ipop3d[${pid}]: Logout user=${d.pick(NAMES)} host=${reverse(d)} [${client(d)}] nmsgs=3 ndele=1`],
  [
    40,
    (d, pid) =>
      `spamd[${pid}]: spamd: result: . ${d.below(5)} - BAYES_00,HTML_MESSAGE,SPF_PASS scantime=0.${d.below(9)},size=${d.below(90_000)},user=${d.pick(NAMES)},uid=110`,
  ],
  [40, (_d, pid) => `CRON[${pid}]: (root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)`],
]

/** Writes the log to `path` until it holds `bytes`. */
export function writeMixedLog(path: string, bytes: number): MixedLog {
  const dice = new Dice(20_021_122)
  const noise = NOISE.flatMap(([weight, text]) => Array<Text>(weight).fill(text))
  const logins = LOGINS.flatMap(([weight, server, text]) => Array(weight).fill({ server, text }) as LoginKind[])
  const counts: Record<ServerId, number> = { dovecot: 0, qpopper: 0, 'uw-imap': 0, popa3d: 0 }
  const fd = openSync(path, 'w')
  let [written, lines, chunk] = [0, 0, '']
  const add = (line: string) => {
    chunk += `${stamp(START_S + Math.floor(lines++ / LINES_PER_SECOND))} ${HOST} ${line}\n`
  }
  while (written < bytes) {
    const pid = 300 + dice.below(32_000)
    if (dice.below(1000) < 20) {
      const { server, text } = dice.pick(logins)
      counts[server]++
      for (const line of text(dice, pid)) add(line)
    } else add(dice.pick(noise)(dice, pid))
    if (chunk.length < CHUNK_CHARS) continue
    written += writeSync(fd, chunk, null, 'latin1')
    chunk = ''
  }
  closeSync(fd)
  return { path, bytes: written, lines, logins: counts }
}

interface LoginKind {
  readonly server: ServerId
  readonly text: (d: Dice, pid: number) => readonly string[]
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
let stamped = { atS: -1, text: '' }

/** RFC 3164, as rsyslog's traditional format writes it. */
function stamp(atS: number): string {
  if (stamped.atS === atS) return stamped.text
  const at = new Date(atS * 1000)
  const day = String(at.getUTCDate()).padStart(2)
  stamped = { atS, text: `${MONTHS[at.getUTCMonth()]} ${day} ${at.toISOString().slice(11, 19)}` }
  return stamped.text
}

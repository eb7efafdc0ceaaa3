/** The lines of a made-up mail log: logins of six servers in the forms that these write, and the lines of everything else. */
import type { Dice } from './dice.ts'

/** The servers whose logins the log holds. */
export type ServerId = 'dovecot' | 'qpopper' | 'uw-imap' | 'popa3d' | 'courier' | 'cyrus'

/** What `grep` looks for to find Dovecot's logins. */
export const DOVECOT_LITERAL = 'Login: user=<'

/** The lines of one login, without time and host. */
export type LoginText = (d: Dice, pid: number) => readonly string[]

/** A line that is no login, without time and host. */
export type NoiseText = (d: Dice, pid: number) => string

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const DIGITS = '0123456789'
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

/** Courier's names for its services, and what each says behind the port. */
const COURIERS = [
  ['imapd', ', protocol=IMAP'],
  ['imapd-ssl', ', protocol=IMAP'],
  ['pop3d', ''],
  ['pop3d-ssl', ''],
] as const

/** Clients, each with a user and an address of its own, as most are. */
const CLIENTS = 50_000

/** `user` may have a domain, `name` has none. */
interface Client {
  readonly user: string
  readonly name: string
  readonly ip: string
}

const client = (d: Dice): Client => {
  const n = d.below(CLIENTS)
  const name = `${NAMES[n % NAMES.length]}${n}`
  const user = n % 2 === 0 ? name : `${name}@${DOMAINS[n % DOMAINS.length]}`
  return { user, name, ip: `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` }
}

const stranger = (d: Dice) => `203.0.113.${1 + d.below(254)}`
const mailbox = (d: Dice) => `${d.pick(NAMES)}${d.below(90)}@${d.pick(DOMAINS)}`
const queueId = (d: Dice) => `6AM${d.letters(QUEUE, 5)}0${10_000 + d.below(89_999)}`
const port = (d: Dice) => 1024 + d.below(60_000)
const session = (d: Dice) => d.letters(BASE64, 16)
const reverse = (d: Dice) => `dsl-${d.below(250)}.pool-${d.below(9)}.${d.pick(DOMAINS)}`

/** The logins, with how often each comes; half of them are Dovecot's. */
export const LOGINS: readonly (readonly [weight: number, server: ServerId, lines: LoginText])[] = [
  [
    10,
    'dovecot',
    (d, pid) => {
      const { user, ip } = client(d)
      return [
        `dovecot: ${d.pick(['imap', 'pop3'])}-login: ${DOVECOT_LITERAL}${user}>, method=PLAIN, rip=${ip}, lip=192.0.2.25, mpid=${pid}, TLS, session=<${session(d)}>`,
      ]
    },
  ],
  [
    2,
    'qpopper',
    (d, pid) => {
      const { name, ip } = client(d)
      return [`popper[${pid}]: (v4.1.0) POP login by user "${name}" at (${reverse(d)}) ${ip}`]
    },
  ],
  [
    2,
    'uw-imap',
    (d, pid) => {
      const { name, ip } = client(d)
      return [`ipop3d[${pid}]: Login user=${name} host=${reverse(d)} [${ip}] nmsgs=3/12`]
    },
  ],
  [
    2,
    'popa3d',
    (d, pid) => {
      const { name, ip } = client(d)
      return [`popa3d[${pid}]: Session from ${ip}`, `popa3d[${pid}]: Authentication passed for ${name}`]
    },
  ],
  [
    2,
    'courier',
    (d) => {
      const [tag, protocol] = d.pick(COURIERS)
      const { user, ip } = client(d)
      return [`${tag}: LOGIN, user=${user}, ip=[::ffff:${ip}], port=[${port(d)}]${protocol}`]
    },
  ],
  [
    2,
    'cyrus',
    (d, pid) => {
      const { user, ip } = client(d)
      return [
        `cyrus/${d.pick(['imap', 'pop3'])}[${pid}]: login: ${reverse(d)} [${ip}] ${user} plaintext${d.pick(['', '+TLS'])} User logged in SESSIONID=<mx1-${pid}-${d.letters(DIGITS, 10)}-1-${d.letters(DIGITS, 19)}>`,
      ]
    },
  ],
]

/** Everything else that is in the log, with how often each comes. */
export const NOISE: readonly (readonly [weight: number, line: NoiseText])[] = [
  [
    200,
    (d, pid) =>
      `sm-mta[${pid}]: ${queueId(d)}: from=<${mailbox(d)}>, size=${d.below(90_000)}, class=0, nrcpts=1, msgid=<${d.letters(QUEUE, 22)}@${d.pick(DOMAINS)}>, proto=ESMTPS, daemon=MTA-v4, relay=${reverse(d)} [${stranger(d)}]`,
  ],
  [
    230,
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
      `sshd[${pid}]: Failed password for invalid user ${d.pick(WRONG_NAMES)} from ${stranger(d)} port ${port(d)} ssh2`,
  ],
  [
    60,
    (d, pid) => `sshd[${pid}]: Connection closed by authenticating user root ${stranger(d)} port ${port(d)} [preauth]`,
  ],
  [50, (d, pid) => `sshd[${pid}]: Invalid user ${d.pick(WRONG_NAMES)} from ${stranger(d)} port ${port(d)}`],
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
    15,
    (d, pid) =>
      `dovecot: imap(${client(d).user})<${pid}><${session(d)}>: Disconnected: Logged out in=${d.below(9000)} out=${d.below(90_000)} deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0`,
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
  [
    20,
    (d) =>
      `${d.pick(COURIERS)[0]}: LOGIN FAILED, user=${d.pick(WRONG_NAMES)}, ip=[::ffff:${stranger(d)}], port=[${port(d)}]`,
  ],
  [
    20,
    (d, pid) =>
      `cyrus/${d.pick(['imap', 'pop3'])}[${pid}]: badlogin: ${reverse(d)} [${stranger(d)}] plaintext ${d.pick(WRONG_NAMES)} SASL(-13): user not found: checkpass failed`,
  ],
  [5, (d, pid) => `ipop3d[${pid}]: Logout user=${d.pick(NAMES)} host=${reverse(d)} [${client(d).ip}] nmsgs=3 ndele=1`],
  [
    40,
    (d, pid) =>
      `spamd[${pid}]: spamd: result: . ${d.below(5)} - BAYES_00,HTML_MESSAGE,SPF_PASS scantime=0.${d.below(9)},size=${d.below(90_000)},user=${d.pick(NAMES)},uid=110`,
  ],
  [40, (_d, pid) => `CRON[${pid}]: (root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)`],
]

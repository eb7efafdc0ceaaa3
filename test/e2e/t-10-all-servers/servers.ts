// What is tried: every server that Debian packages, how it is started, who logs in there, and what its lines make of a hostile name.
import { startCourier } from '../../support/courier.ts'
import { startCyrus } from '../../support/cyrus.ts'
import { type DovecotServer, startDovecot } from '../../support/dovecot.ts'
import { startImapproxy } from '../../support/imapproxy.ts'
import type { Lab } from '../../support/lab.ts'
import { startMailutils } from '../../support/mailutils.ts'
import { startNginxMail } from '../../support/nginx-mail.ts'
import { startPerdition } from '../../support/perdition.ts'
import type { RootName } from '../../support/roots.ts'
import { startSolidPop3d } from '../../support/solid-pop3d.ts'

/** One way to log in: each is used by a host of its own, with an address of the family. */
export interface Way {
  readonly protocol: 'pop3' | 'imap'
  readonly port: number
  readonly family: 4 | 6
  readonly tls?: 'implicit' | 'starttls'
  /** curl takes the strongest mechanism that is offered, the others send user and password. */
  readonly program: 'curl' | 'mpop' | 'fetchmail'
}

/** A server, or more of them that are one package. */
export interface ServerCase {
  readonly name: string
  /** Id of the parser; undefined where nothing must come of its lines. */
  readonly server: string | undefined
  readonly root: RootName
  /** Resolves with its own log file, where it has one. */
  start(lab: Lab, backend: DovecotServer): Promise<string | undefined>
  readonly ways: readonly Way[]
  /** True where each session's end must be recognized. */
  readonly logouts: boolean
  /** What stands in the log when a client has called itself {@link HOSTILE_NAME}, so that something was tried. */
  readonly told: readonly RegExp[]
  /** Further names to try here, one after the other, when nobody else makes the server log something. */
  readonly forgedNames?: readonly string[]
  /** What it logs of a login, where it must give nothing. */
  readonly loggedIn?: readonly RegExp[]
}

/** Anybody may call himself this. */
const HOSTILE_NAME = 'x, ip=[::ffff:6.6.6.6]'

/** Names that hold the success lines of these servers, for an address from which nobody logs in. */
export const FORGED_NAMES = [
  HOSTILE_NAME,
  'x,ip=[::ffff:6.6.6.6]',
  'x>, method=PLAIN, rip=6.6.6.6, lip=192.0.2.25, mpid=1, session=<a',
  'LOGIN, user=x, ip=[::ffff:6.6.6.6], port=[50111], protocol=IMAP',
  'login: [6.6.6.6] x plaintext User logged in SESSIONID=<mx-1-1-1>',
  '[6.6.6.6] x plaintext User logged in',
  'client logged in, client: 6.6.6.6, server: 192.0.2.25:110, login: x, upstream: 192.0.2.26:110',
  'Auth: 6.6.6.6:4711->192.0.2.25:143 status=ok',
  "x' (6.6.6.6:4711) on new sd [9]",
  'user x authenticated - 6.6.6.6',
]

/**
 * courierlogger cuts what it reads after 511 bytes and logs the rest as lines of their own. Behind `INFO: LOGIN FAILED, user=` these names
 * put a login there: once as the end of the line, once as all that is read the next time.
 */
const FILLER = 'A'.repeat(511 - 'INFO: LOGIN FAILED, user='.length)
const CUT_NAMES = [
  `${FILLER}LOGIN, user=x, ip=[::ffff:6.6.6.6]`,
  `${FILLER}LOGIN, user=${'x'.repeat(511 - 'LOGIN, user=, ip=[::ffff:6.6.6.6]'.length)}, ip=[::ffff:6.6.6.6]`,
]

const NO_PENALTY = `auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

/** The server behind the proxies. It logs to a file of its own that nobody reads, as one on another machine does. */
export function startBackend(lab: Lab): Promise<DovecotServer> {
  return startDovecot(lab, { pop3Port: 9110, imapPort: 9143, log: 'file', extra: NO_PENALTY })
}

/** Both protocols on both families: by password with mpop and fetchmail, by the best mechanism with curl. */
function allWays(pop3: number, imap: number): Way[] {
  return [
    { protocol: 'pop3', port: pop3, family: 4, program: 'mpop' },
    { protocol: 'pop3', port: pop3, family: 6, program: 'curl' },
    { protocol: 'imap', port: imap, family: 4, program: 'curl' },
    { protocol: 'imap', port: imap, family: 6, program: 'fetchmail' },
  ]
}

/** All of them, in the order in which they are tried; the last one has a parser: its logins show that all before it was read. */
export const SERVERS: readonly ServerCase[] = [
  {
    name: 'Courier',
    server: 'courier',
    root: 'courier',
    start: async (lab) => void (await startCourier(lab, { pop3: 2110, pop3s: 2995, imap: 2143, imaps: 2993 })),
    ways: [
      ...allWays(2110, 2143),
      { protocol: 'pop3', port: 2110, family: 4, tls: 'starttls', program: 'curl' },
      { protocol: 'imap', port: 2143, family: 6, tls: 'starttls', program: 'curl' },
      { protocol: 'pop3', port: 2995, family: 4, tls: 'implicit', program: 'curl' },
      { protocol: 'imap', port: 2993, family: 6, tls: 'implicit', program: 'curl' },
    ],
    forgedNames: CUT_NAMES,
    logouts: true,
    told: [
      /imapd: LOGIN FAILED, user=x, ip=\[::ffff:6\.6\.6\.6\], ip=/,
      /imapd: LOGIN, user=x, ip=\[::ffff:6\.6\.6\.6\], ip=/,
      /pop3d: LOGIN, user=x, ip=\[::ffff:6\.6\.6\.6\], ip=/,
      /pop3d: LOGIN, user=x+, ip=\[::ffff:6\.6\.6\.6\]$/,
    ],
  },
  {
    name: 'Cyrus IMAP',
    server: 'cyrus',
    root: 'cyrus',
    start: async (lab) => void (await startCyrus(lab, { pop3: 3110, imap: 3143 })),
    ways: [
      ...allWays(3110, 3143),
      { protocol: 'pop3', port: 3110, family: 4, tls: 'starttls', program: 'curl' },
      { protocol: 'imap', port: 3143, family: 6, tls: 'starttls', program: 'curl' },
    ],
    logouts: true,
    told: [/cyrus\/imap\[\d+\]: badlogin: \[203\.0\.113\.9\] plaintext \(x, ip=\[::ffff:6\.6\.6\.6\]\)/],
  },
  {
    name: 'nginx mail proxy',
    server: 'nginx-mail',
    root: 'proxies',
    start: async (lab, backend) => (await startNginxMail(lab, backend)).ownLog,
    ways: [
      ...allWays(110, 143),
      { protocol: 'pop3', port: 110, family: 4, tls: 'starttls', program: 'curl' },
      { protocol: 'imap', port: 143, family: 6, tls: 'starttls', program: 'curl' },
      { protocol: 'pop3', port: 995, family: 6, tls: 'implicit', program: 'curl' },
      { protocol: 'imap', port: 993, family: 4, tls: 'implicit', program: 'curl' },
    ],
    logouts: false,
    told: [/client login failed: .*, login: "x, ip=\[::ffff:6\.6\.6\.6\]"/],
  },
  {
    name: 'Perdition',
    server: 'perdition',
    root: 'proxies',
    start: async (lab, backend) => void (await startPerdition(lab, { pop3: 4110, imap: 4143, imaps: 4993 }, backend)),
    ways: [
      ...allWays(4110, 4143),
      { protocol: 'pop3', port: 4110, family: 6, tls: 'starttls', program: 'curl' },
      { protocol: 'imap', port: 4993, family: 4, tls: 'implicit', program: 'curl' },
    ],
    logouts: true,
    told: [/perdition\[\d+\]: Auth: .* authentication_id="x, ip=\[::ffff:6\.6\.6\.6\]" .* status="failed/],
  },
  {
    name: 'Perdition with a log file of its own, into which clients could write lines',
    server: undefined,
    root: 'proxies',
    start: async (lab, backend) => {
      const ownLog = `${lab.shared}/log/perdition.log`
      await startPerdition(lab, { pop3: 5110, imap: 5143, imaps: 5993 }, backend, ownLog)
      return ownLog
    },
    ways: allWays(5110, 5143),
    logouts: false,
    loggedIn: [/Auth: 198\.51\.100\.\d+:.* status="ok"/],
    told: [/Auth: .* authentication_id="x, ip=\[::ffff:6\.6\.6\.6\]" .* status="failed/],
  },
  {
    name: 'up-imapproxy',
    server: 'imapproxy',
    root: 'proxies',
    start: async (lab, backend) => void (await startImapproxy(lab, 6143, backend)),
    ways: [
      { protocol: 'imap', port: 6143, family: 4, program: 'curl' },
      { protocol: 'imap', port: 6143, family: 6, program: 'curl' },
      { protocol: 'imap', port: 6143, family: 4, program: 'fetchmail' },
    ],
    logouts: true,
    told: [/in\.imapproxyd\[\d+\]: LOGIN: '"?x,ip=\[::ffff:6\.6\.6\.6\]"?' \(::ffff:203\.0\.113\.9:\d+\) failed/],
  },
  {
    name: 'Solid POP3 server',
    server: 'solid-pop3d',
    root: 'solidPop3d',
    start: async (lab) => void (await startSolidPop3d(lab, 7110)),
    ways: [
      { protocol: 'pop3', port: 7110, family: 4, program: 'mpop' },
      { protocol: 'pop3', port: 7110, family: 6, program: 'mpop' },
    ],
    logouts: true,
    told: [/solid-pop3d\[\d+\]: authentication failed: no such user: x, ip=\[::ffff:6\.6\.6\.6\] - 203/],
  },
  {
    name: 'GNU Mailutils, which tells no address with a login',
    server: undefined,
    root: 'mailutils',
    start: async (lab) => void (await startMailutils(lab, { pop3: 8110, imap: 8143 })),
    ways: [
      { protocol: 'pop3', port: 8110, family: 4, program: 'mpop' },
      { protocol: 'imap', port: 8143, family: 4, program: 'fetchmail' },
    ],
    logouts: false,
    loggedIn: [/imap4d\[\d+\]: user `\w+' logged in/, /pop3d\[\d+\]: user `\w+' logged in/],
    told: [/x, ip=\[::ffff:6\.6\.6\.6\]/],
  },
  {
    name: 'Dovecot 2.3',
    server: 'dovecot',
    root: 'dovecot',
    start: async (lab) => void (await startDovecot(lab, { pop3Port: 1110, imapPort: 1143, extra: NO_PENALTY })),
    ways: allWays(1110, 1143),
    logouts: true,
    told: [/dovecot: (?:pop3|imap)-login: .*user=<x, ip=\[::ffff:6\.6\.6\.6\]>/],
  },
]

/** Where Debian's packages were looked for. */
export const NOT_PACKAGED = 'not packaged in Debian 11, 12, 13 or unstable'

/** Tried by another test of real servers. */
export const TRIED_ELSEWHERE: readonly string[] = ['popa3d']

/** Servers that popauthd has no parser for, and from which nothing must come. */
export const WITHOUT_PARSER: readonly string[] = ['Citadel']

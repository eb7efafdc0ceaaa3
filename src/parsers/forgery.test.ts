/** Attacks: an outsider writes what he likes into every place of a line that is his to fill; his address must never come out. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import { parsers } from './index.ts'
import { LoginScanner } from './scanner.ts'

const RUNS = 2000
const NEWEST_MS = Date.UTC(2026, 10, 22, 14)
const REAL = '198.51.100.7'
/** Neither may ever be authorized: he logged in from nowhere. */
const EVIL = ['203.0.113.9', '2001:db8:bad::9']

/** Pieces that all grammars are made of. */
const PIECES = [
  ...EVIL,
  ...EVIL.flatMap((ip) => [
    `[${ip}]`,
    `x>, method=PLAIN, rip=${ip}, lip=192.0.2.25, TLS`,
    `x>, rip=${ip}, session=<a>`,
    `, rip=${ip}, lip=${'a'.repeat(120)}`,
    `x [${ip}]`,
    `x" at (h.example) ${ip}`,
    `h.example) ${ip}`,
    `x 0 0 0 0 h.example ${ip}`,
    `x host=h.example [${ip}]`,
    `h.example [${ip}] nmsgs=1/1`,
    `x -- [${ip}]`,
    `x, ip=[${ip}], port=[1], protocol=IMAP`,
    `x:${ip}`,
    `x' (${ip}:1) on new sd [9]`,
    `Session from ${ip}`,
    `login from ${ip} as x`,
    `(x,${ip}) Authenticated.`,
    `rhost=[${ip}]:4711 user=x LOGIN ok`,
    `h.example [${ip}] x plaintext User logged in SESSIONID=<a>`,
    `login: [${ip}] x plaintext`,
    `r.clienthost=[${ip}] u.username=x login.tls=1 login.magic=~null~`,
    `[ip=${ip};] security - cmd=Auth; account=x; protocol=imap;`,
    ...parsers.flatMap(({ sample }) => sample.map((line) => line.replace(/198\.51\.100\.7|203\.0\.113\.42/, ip))),
  ]),
  ...EVIL.flatMap((ip) => [
    `client logged in, client: ${ip}, server: 192.0.2.25:143, login: "x", upstream: 192.0.2.26:143`,
    `x" server="h:143" protocol=IMAP4 server-secure=plaintext status="ok"`,
    `Auth: ${ip}:4711->192.0.2.25:143 client-secure=ssl authorisation_id=NONE authentication_id="x`,
    `x", remoteIp = ${ip}, accountId = "`,
    `x","_ip":"${ip}","_x":"`,
  ]),
  'Login: ',
  'Logged in: ',
  'user=<x>',
  'rip=',
  'lip=',
  'method=PLAIN',
  'session=<',
  'TLS',
  'TLS: ',
  '=',
  ', ',
  '>',
  '<',
  '(v4.0.5) POP login by user "',
  '" at (',
  ') ',
  'Stats: x 0 0 0 0 ',
  'evil.example ',
  ' [pop_log.c:1]',
  'Login user=',
  'Auth user=x ',
  ' host=',
  'UNKNOWN',
  ' nmsgs=1/1',
  ' mech=PLAIN',
  'Session from ',
  'Authentication passed for ',
  'LOGIN, user=',
  'INFO: ',
  'vchkpw-pop3: (PLAIN) login success ',
  "LOGIN: '",
  ' -- [',
  ']',
  'dovecot: ',
  'imap-login: ',
  'pop3-login: ',
  'popper[7]: ',
  'popa3d[5]: ',
  'ipop3d[5]: ',
  'Info: ',
  '1 2026-11-22T13:00:00Z mx1 popa3d 5 - - ',
  'Nov 22 13:00:00 mx1 ',
  'Nov 22 13:00:00 ',
  '{"MESSAGE":"',
  '","SYSLOG_IDENTIFIER":"popa3d","x":"',
  '\r',
  '\u2028',
  '\0',
  '#012',
  '\\n',
  ' ',
  '"',
  'a'.repeat(80),
  'b'.repeat(130),
]

/** Lines as servers and MTAs write them, with what is the outsider's to fill. */
const TEMPLATES: readonly (readonly [program: string, message: (his: string) => string])[] = [
  ['sm-mta[9]', (his) => `q5MGK1x4: ruleset=check_mail, arg1=<${his}>, relay=h [${REAL}], reject=553 5.1.8 no`],
  ['postfix/smtpd[9]', (his) => `NOQUEUE: reject: RCPT from unknown[${REAL}]: 554; helo=<${his}>`],
  [
    'dovecot',
    (his) => `imap-login: Disconnected (auth failed): user=<${his}>, method=PLAIN, rip=${REAL}, lip=192.0.2.25`,
  ],
  [
    'dovecot',
    (his) => `pop3-login: Login: user=<${his}>, method=PLAIN, rip=${REAL}, lip=192.0.2.25, mpid=7, TLS, session=<a>`,
  ],
  [
    'dovecot',
    (his) =>
      `imap-login: proxy(${his}): Login failed to 192.0.2.26:143: ${his}: user=<${his}>, method=PLAIN, rip=${REAL}, lip=192.0.2.25`,
  ],
  [
    'dovecot',
    (his) => `imap-login: Login: user=<${his}>, auth_user=<${his}>, method=PLAIN, mpid=7, session=<TX+Tjt1gAAA>`,
  ],
  ['dovecot', (his) => `imap(${his})<7><x>: copy from INBOX: box=${his}, uid=1`],
  ['dovecot', (his) => `lmtp(alice)<7><x>: sieve: msgid=<${his}>: stored mail into mailbox '${his}'`],
  ['dovecot', (his) => `auth: passwd-file(${his},${REAL}): unknown user`],
  ['pop3-login', (his) => `Login: ${his} [${REAL}]`],
  ['imap-login', (his) => `Disconnected: ${his} [${REAL}]`],
  ['popper[7]', (his) => `(v4.0.5) POP login by user "${his}" at (h.example) ${REAL}`],
  ['popper[7]', (his) => `(v4.0.5) POP login by user "bob" at (${his}) ${REAL}`],
  ['popper[7]', (his) => `[AUTH] Failed attempted login to ${his} from host (${his}) ${REAL}`],
  ['popper[7]', (his) => `Stats: bob 0 0 3 4120 ${his} ${REAL}`],
  ['popper[7]', (his) => `${his} at h.example (${REAL}): -ERR Unknown command: "${his}".`],
  ['ipop3d[5]', (his) => `Login user=${his} host=h.example [${REAL}] nmsgs=1/1`],
  ['imapd[5]', (his) => `Login user=bob host=${`${his} [${REAL}]`.slice(0, 80)}`],
  ['imapd[5]', (his) => `Login failed user=${his} auth=${his} host=${his} [${REAL}]`],
  ['popa3d[5]', (his) => `Authentication failed for ${his}`],
  ['pop3d', (his) => `LOGIN FAILED, user=${his}, ip=[::ffff:${REAL}], port=[1]`],
  ['imapd', (his) => `LOGIN, user=${his}, ip=[::ffff:${REAL}], port=[1], protocol=IMAP`],
  ['imapd', (his) => `ID, user=bob, ip=[::ffff:${REAL}], port=[1], name=${his}`],
  ['vpopmail[5]', (his) => `vchkpw-pop3: password fail (pass: '${his}') ${his}@example.com:${REAL}`],
  ['vpopmail[5]', (his) => `vchkpw-pop3: (PLAIN) login success ${his}@example.com:${REAL}`],
  ['in.imapproxyd[5]', (his) => `LOGIN: '${his}' (${REAL}:1) on new sd [9]`],
  [
    'in.imapproxyd[5]',
    (his) => `LOGIN: '${his}' (${REAL}:1) failed: non-OK server response to LOGIN command: NO ${his}`,
  ],
  ['solid-pop3d[5]', (his) => `user ${his} authenticated - ${REAL}`],
  ['solid-pop3d[5]', (his) => `mapped user bob authenticated through APOP - ${his} (${REAL})`],
  ['solid-pop3d[5]', (his) => `authentication failed: no such user: ${his} - ${REAL}`],
  ['teapop[5]', (his) => `Successful login for ${his} [192.0.2.25] from ${his} [${REAL}]`],
  ['teapop[5]', (his) => `Failed login for ${his} [192.0.2.25] from ${his} [${REAL}]`],
  ['tpop3d[5]', (his) => `fork_child: [6]${his}(${REAL}): began session for \`${his}' with pam; child PID is 7`],
  [
    'tpop3d[5]',
    (his) => `connection_do: client \`[5]${REAL}/h.example': username \`${his}': 1 authentication failures`,
  ],
  ['cucipop[5]', (his) => `${his} ${REAL} 3, 1 (2048), 2 (9120)`],
  ['vm-pop3d[5]', (his) => `User '${his}' logged in from ${REAL}, nmsgs=3`],
  ['vm-pop3d[5]', (his) => `User '${his}' - pwd auth, from=${REAL}`],
  ['vm-pop3d[5]', (his) => `User '${his}' of '${his}' logged in`],
  ['gnu-pop3d[5]', (his) => `User ${his} logged in with mailbox /var/mail/${his} from ${REAL}`],
  ['gnu-pop3d[5]', (his) => `User \`${his}': authentication failed`],
  ['dbmail/imap4d[5]', (his) => `Notice: [0x7f] login accepted: id [4] user [${his}] from [${REAL}:35725]`],
  ['dbmail/imap4d[5]', (his) => `Notice: [0x7f] login rejected: user [${his}] from [${REAL}:35725]`],
  ['dbmail/pop3d[5]', (his) => `Message incoming connection from [${REAL} (${his})] by pid [5]`],
  ['popper[7]', (his) => `user ${his} (from ${REAL}) not found`],
  ['popper[7]', (his) => `login from ${REAL} as ${his}`],
  ['popper[7]', (his) => `(${his},${REAL}) Authenticated.`],
  ['gromox-imap[5]', (his) => `rhost=[${REAL}]:4711 user=${his} LOGIN phase1 rejecting "${his}": Authentication error`],
  ['gromox-pop3[5]', (his) => `rhost=[${REAL}]:4711 user=${his} login ok`],
  ['cyrus/imap[5]', (his) => `login: ${his} [${REAL}] bob plaintext User logged in SESSIONID=<mx1-1-5-1-1>`],
  ['cyrus/pop3[5]', (his) => `login: [${REAL}] bob+${his} plaintext+TLS User logged in SESSIONID=<mx1-1-5-1-1>`],
  ['cyrus/imap[5]', (his) => `login: [${REAL}] anonymous ${his}`],
  ['pop3d[5]', (his) => `login: ${his}[${REAL}] bob plaintext `],
  ['cyrus', (his) => `badlogin: ${his} [${REAL}] plaintext (${his}) [SASL(-13): user not found: checkpass failed]`],
  [
    'cyrus/imap[5]',
    (his) =>
      `event=login.good r.clienthost="${his.replace(/["\\]/g, '\\$&')} [${REAL}]" u.username="b ${his.replace(/["\\]/g, '\\$&')}" login.mech=PLAIN login.tls=0 login.magic=~null~`,
  ],
  [
    'cyrus/pop3[5]',
    (his) => `event=login.bad r.clienthost=[${REAL}] u.username="x ${his.replace(/["\\]/g, '\\$&')}" error=no`,
  ],
  [
    'nginx',
    (his) =>
      `2026/11/22 13:00:00 [info] 9#9: *5 client logged in, client: ${REAL}, server: 192.0.2.25:143, login: "${his}", upstream: 192.0.2.26:143`,
  ],
  [
    'nginx',
    (his) =>
      `2026/11/22 13:00:00 [info] 9#9: *5 client login failed: "${his}" while in http auth state, client: ${REAL}, server: 192.0.2.25:143, login: "${his}"`,
  ],
  ['nginx', (his) => `2026/11/22 13:00:00 [info] 9#9: *5 client sent too long command "${his}", client: ${REAL}`],
  ...['ok', 'failed: Re-Authentication Failure'].map((status): (typeof TEMPLATES)[number] => [
    'perdition[5]',
    (his) =>
      `Auth: ${REAL}:4711->192.0.2.25:143 client-secure=ssl authorisation_id="${his}" authentication_id="${his}" server="192.0.2.26:143" protocol=IMAP4S server-secure=plaintext status="${status}"`,
  ]),
  ['perdition[5]', (his) => `Auth: ${REAL}->192.0.2.25 user="${his}" server="h.example" port="143" status="ok"`],
  [
    'wildduck-server[5]',
    (his) =>
      `info Gelf ${JSON.stringify({ short_message: `WILDDUCK [AUTHFAIL] ${his}`, _auth_result: 'fail', _username: his, _scope: 'imap', _ip: REAL, facility: 'wildduck', _component: 'wildduck' })}`,
  ],
  ['wildduck-server[5]', (his) => `info IMAP [m2hwwyctg4kl4kpa] Authentication failed for ${his} using PLAIN`],
  [
    'stalwart[5]',
    (his) =>
      `2026-11-22T13:00:00Z INFO Authentication successful (auth.success) listenerId = "imaptls", localPort = 993, remoteIp = ${REAL}, remotePort = 4711, accountName = "${his.replace(/\\/g, '\\\\')}", accountId = 8`,
  ],
  [
    'stalwart[5]',
    (his) =>
      `2026-11-22T13:00:00Z INFO Authentication failed (auth.failed) listenerId = "imaptls", localPort = 993, remoteIp = ${REAL}, remotePort = 4711, accountName = "${his}"`,
  ],
]

const hostile = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''))

const scanner = new LoginScanner({ parsers, timezone: 'UTC' })

function addressesIn(text: string, format: 'lines' | 'journal-json'): string[] {
  const found: string[] = []
  scanner.scan(
    Buffer.from(text),
    { format, newestMs: NEWEST_MS },
    { login: ({ address }) => found.push(address), rejected: () => {} },
  )
  return found
}

function inEnvelopes(program: string, message: string): [string, 'lines' | 'journal-json'][] {
  const [tag = '', pid = '-'] = program.replace(']', '').split('[')
  const entry = {
    MESSAGE: message,
    SYSLOG_IDENTIFIER: tag,
    __REALTIME_TIMESTAMP: `${NEWEST_MS}000`,
    _PID: '5',
    _UID: '0',
    _EXE: `/usr/sbin/${tag === 'dovecot' ? 'log' : tag}`,
  }
  return [
    [`Nov 22 13:00:00 mx1 ${program}: ${message}`, 'lines'],
    [`<22>1 2026-11-22T13:00:00.5Z mx1 ${tag} ${pid} - - ${message}`, 'lines'],
    [`2026-11-22T13:00:00+00:00 mx1 ${program}: ${message}`, 'lines'],
    [`Nov 22 13:00:00 ${tag}: Info: ${message}`, 'lines'],
    [`${tag}: Nov 22 13:00:00 Info: ${message}`, 'lines'],
    [`Nov 22 13:00:00 [popper] ${message}`, 'lines'],
    [`Nov 22 13:00:00 2026 [1208] ${message}`, 'lines'],
    [JSON.stringify(entry), 'journal-json'],
  ]
}

it('lets an outsider forge no login, in any field, any envelope, whole or cut where syslog cuts', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TEMPLATES), hostile, ([program, message], his) => {
      for (const [line, format] of inEnvelopes(program, message(his))) {
        for (const seen of new Set([line, line.slice(0, 1023), line.slice(0, 2048)])) {
          const found = addressesIn(`${seen}\n`, format).filter((address) => address !== REAL)
          if (found.length > 0) expect.fail(`${found} came out of ${JSON.stringify(seen)}`)
        }
      }
    }),
    effort(RUNS),
  )
})

it('takes no address out of the name of an account, where the connection tells another one', () => {
  const session = `Nov 22 13:00:00 mx1 popa3d[5]: Session from ${REAL}\n`
  const passed = `Nov 22 13:00:01 mx1 popa3d[5]: Authentication passed for x -- [${EVIL[0]}]\n`
  expect(addressesIn(session + passed, 'lines')).toEqual([])
  expect(addressesIn(session + passed.replace(EVIL[0] as string, REAL), 'lines')).toEqual([REAL])
})

it('takes nothing out of a line that is so long that syslog may have cut the true address away', () => {
  const padding = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((key) => `${key}=${'p'.repeat(128)}`).join(', ')
  const name = `x>, method=PLAIN, rip=${EVIL[0]}, ${padding}`
  const line = `Nov 22 13:00:00 mx1 dovecot: imap-login: Login: user=<${name}>, method=PLAIN, rip=${REAL}, lip=192.0.2.25`
  for (const bytes of [1023, 1024, 980, 960]) expect(addressesIn(`${line.slice(0, bytes)}\n`, 'lines')).toEqual([])
})

/** Each is a log as the servers would write it, in which an outsider chose what stands behind `EVIL`. */
const CUT = `${'LOGIN FAILED, user='.padEnd(505, 'A')}`
const LOGS: readonly (readonly [name: string, lines: readonly string[]])[] = [
  [
    'the rest of a line that courierlogger cut, in the words of Cyrus',
    [`imapd: ${CUT}`, `imapd: login: h [EVIL] x plaintext`],
  ],
  ['the same, in the words of UW', [`imapd: ${CUT}`, 'imapd: Login user=x host=h [EVIL]']],
  ['the same, in the words of UW ipop3d', [`pop3d: ${CUT}`, 'pop3d: Login user=x host=h [EVIL] nmsgs=1/1']],
  [
    'the words of an IMAP server of his own, which ipop3d logs (USER evil.example:x)',
    [
      `ipop3d[9]: IMAP login to host=evil.example user=x host=h [${REAL}]`,
      'ipop3d[9]: Login user=x host=h [EVIL] nmsgs=1/1',
    ],
  ],
  [
    'two lines, where the first contradicts the connection',
    [
      `popa3d[5]: Session from ${REAL}`,
      'popa3d[5]: Authentication passed for x -- [EVIL]',
      'popa3d[5]: Authentication passed for x -- [EVIL]',
    ],
  ],
  ...[
    ['solid-pop3d[5]: connect from EVIL', 'connect from h.example', 'user bob authenticated'],
    ['gnu-pop3d[5]: connect from EVIL', 'connect from h.example', 'User bob logged in with mailbox /var/mail/bob'],
    ['vm-pop3d[5]: Connect from EVIL', 'Connect from fe80::1', "User 'bob' logged in"],
    ['popa3d[5]: Session from EVIL', 'Session from fe80::1', 'Authentication passed for bob'],
    ['popa3d[5]: Session from EVIL', 'Session from \x01', 'Authentication passed for bob'],
    [
      'dbmail/pop3d[5]: Message incoming connection from [EVIL] by pid [5]',
      'Message incoming connection from [fe80::1] by pid [5]',
      'Message user bob logged in [messages=0, octets=0]',
    ],
  ].map(([first = '', ...others]): (typeof LOGS)[number] => [
    `the connection before, where that of the login tells no address: ${first}`,
    [first, ...others.map((text) => `${first.slice(0, first.indexOf(':'))}: ${text}`)],
  ]),
  [
    "a line feed in the name of a failed login, where nginx's standard error goes to syslog line by line",
    [
      `nginx[9]: 2026/11/22 13:00:00 [info] 9#9: *5 client ${REAL}:4711 connected to 192.0.2.25:143`,
      'nginx[9]: 2026/11/22 13:00:00 [info] 9#9: *6 client logged in, client: EVIL, server: 192.0.2.25:143, login: "x", upstream: 192.0.2.26:143',
    ],
  ],
]

const logOf = (lines: readonly string[]) =>
  lines.map((line) => `Nov 22 13:00:00 mx1 ${line.replaceAll('EVIL', EVIL[0] as string)}\n`).join('')

it.each(LOGS)('opens nothing by %s', (_name, lines) => {
  expect(addressesOf(logOf(lines))).toEqual([])
})

it.each(LOGS)('would otherwise take as a login: %s', (_name, lines) => {
  const [first = '', ...others] = lines
  const known = first.includes('EVIL') ? [first, others.at(-1) as string] : others.slice(-1)
  expect(addressesOf(logOf(known))).toEqual([EVIL[0]])
})

it('opens nothing by the connection of an earlier session of that number, where that of the login tells no IPv4 address', () => {
  const lines = [
    `[192.0.2.25:143] connection accepted from [${EVIL[0]}:4711]`,
    '[2001:db8::25:143] connection accepted from [2001:db8::7:4711]',
    'User [bob] successfully authorized!',
  ].map((text) => `2026-11-22 13:00:00 +0000 08 mail IMAP:000056A7: ${text}\n`)
  expect(addressesOf(lines.join(''))).toEqual([])
  expect(addressesOf(`${lines[0]}${lines[2]}`)).toEqual([EVIL[0]])
})

it("takes no line of another program's log, with a process id in brackets, for a trace of Qpopper", () => {
  const message = `[1234] Stats: x 0 0 0 0 h.example ${EVIL[0]}\n`
  expect(addressesOf(`2026-11-22 13:00:00 ${message}`)).toEqual([])
  expect(addressesOf(`2026-11-22 13:00:00.123 ${message}`)).toEqual([])
})

it('opens nothing by the rest of a line that a container runtime parted', () => {
  const time = '2026-11-22T13:00:00.123456789Z'
  const rest = `${time} stdout F imap-login: Info: Login: user=<x>, method=PLAIN, rip=${EVIL[0]}, lip=192.0.2.25, mpid=1\n`
  expect(addressesOf(rest)).toEqual([EVIL[0]])
  expect(addressesOf(`${time} stdout P imap-login: Info: ID sent: name=${'A'.repeat(16_000)}\n${rest}`)).toEqual([])
})

it('opens nothing by a bare line feed in the very first entry of a file that has CR LF', () => {
  const log = (ip: string, text: string) => `"POP3D"\t1\t17\t"2026-11-22 13:00:00.000"\t"${ip}"\t"${text}"`
  const evil = EVIL[0] as string
  const login = `${log(evil, 'RECEIVED: USER bob')}\n${log(evil, 'SENT: +OK Mailbox locked and ready')}\n`
  expect(addressesOf(login)).toEqual([evil])
  expect(addressesOf(`${log(REAL, 'RECEIVED: USER x').slice(0, -1)}\n${login}"\r\n`)).toEqual([])
})

/** By a scanner that has seen nothing before. */
function addressesOf(text: string): string[] {
  const found: string[] = []
  const fresh = new LoginScanner({ parsers, timezone: 'UTC' })
  const on = { login: ({ address }: { address: string }) => found.push(address), rejected: () => {} }
  fresh.scan(Buffer.from(text), { format: 'lines', newestMs: NEWEST_MS }, on)
  return found
}

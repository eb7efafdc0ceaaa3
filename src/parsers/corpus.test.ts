/** Every sample line must give exactly what stands above it, from all parsers at once; so must a corpus of further lines, if there is one. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effort } from '../../test/support/effort.ts'
import type { Login } from '../core/login.ts'
import type { ChunkFormat } from '../sources/source.ts'
import { parsers } from './index.ts'
import { parserSamples } from './samples.ts'
import { LoginScanner } from './scanner.ts'

const NEWEST_MS = Date.UTC(2026, 10, 23)
const ATTACKER = '6.6.6.6'

/** One scanner for all: making its search costs more than a thousand lines. */
const shared = new LoginScanner({ parsers, timezone: 'UTC' })

/** The shared scanner, having seen no line yet. */
function newScanner(): LoginScanner {
  shared.restore(null)
  return shared
}

function scan(lines: readonly (string | Buffer)[], format: ChunkFormat, scanner = newScanner()): Login[] {
  const logins: Login[] = []
  const chunk = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')]))
  scanner.scan(chunk, { format, newestMs: NEWEST_MS }, { login: (login) => logins.push(login), rejected: () => {} })
  return logins
}

function inShort(logins: readonly Login[]) {
  return logins.map(({ user, address, service }) => ({ user, ip: address, service }))
}

describe.each(parsers.map(({ id }) => id))('samples of %s', (id) => {
  const samples = parserSamples(id)

  it.each(samples.map((sample) => [`${sample.comment}: ${sample.lines.at(-1)?.slice(0, 120)}`, sample] as const))(
    '%s',
    (_name, { lines, format, expect: wanted }) => {
      expect(inShort(scan(lines, format))).toEqual(wanted === null ? [] : [wanted])
    },
  )

  it('give the same in one chunk as line by line', () => {
    const lines = samples.filter(({ format }) => format === 'lines').flatMap((sample) => sample.lines)
    const scanner = newScanner()
    const oneByOne = lines.flatMap((line) => scan([line], 'lines', scanner))
    expect(inShort(scan(lines, 'lines'))).toEqual(inShort(oneByOne))
  })

  it('hold a sample that is recognized, as formats shows it', () => {
    const parser = parsers.find((candidate) => candidate.id === id)
    expect(scan(parser?.sample ?? [], 'lines').map(({ server }) => server)).toEqual([id])
  })
})

describe('mutated samples', () => {
  const all = parsers.flatMap(({ id }) => parserSamples(id)).filter(({ format }) => format === 'lines')
  const lineOf = (samples: typeof all) => fc.constantFrom(...samples).map(({ lines }) => lines.at(-1) as string)

  it('never throw, and never name an address that is not in the line', () => {
    const noise = fc.string({ unit: 'binary', maxLength: 12 })
    fc.assert(
      fc.property(lineOf(all), fc.nat(400), fc.nat(40), noise, (line, at, cut, text) => {
        const mutated = line.slice(0, at) + text + line.slice(at + cut)
        for (const login of scan([mutated], 'lines')) expect(addressTexts(mutated)).toContain(login.address)
      }),
      effort(3000),
    )
  }, 60_000)

  it.each(['dovecot', 'uw-imap', 'cyrus', 'zimbra'])(
    'of %s give the same login or none wherever the line is cut',
    (id) => {
      for (const { lines, format, expect: wanted } of parserSamples(id)) {
        const line = lines.at(-1) as string
        if (format !== 'lines' || wanted === null) continue
        for (let end = line.length - 1; end > line.length - 100; end--) {
          for (const login of inShort(scan([line.slice(0, end)], 'lines'))) expect(login).toEqual(wanted)
        }
      }
    },
  )

  /** One parser is enough for {@link addressTexts}, and makes it fast. */
  const probes = new LoginScanner({ parsers: parsers.filter(({ id }) => id === 'uw-imap'), timezone: 'UTC' })

  /** A colon may part an address from what stands before it, and from its port. */
  function betweenColons(text: string): string[] {
    const parts = text.split(':')
    return parts.flatMap((_, from) => [parts.slice(from).join(':'), parts.slice(from, -1).join(':')])
  }

  /** Every text in a line that is an address, also with a port behind it, in the form that logins have. */
  function addressTexts(line: string): string[] {
    const texts = line.match(/[0-9a-fA-F:.]{2,51}/g) ?? []
    const candidates = texts.flatMap(betweenColons)
    return candidates.flatMap((text) => {
      const probe = `Nov 22 14:20:04 mx1 imapd[1]: Login user=a host=[${text}]`
      return scan([probe], 'lines', probes).map(({ address }) => address)
    })
  }
})

describe('a user name cannot become an address', () => {
  const hostile = fc
    .array(
      fc.constantFrom(
        'x',
        '>',
        '<',
        ', ',
        'rip=',
        ATTACKER,
        ' [',
        ']',
        'user=<',
        'session=<',
        'lip=',
        '" at (',
        ') ',
        ', ip=[',
        "' (",
        ':',
        ' host=',
        'a',
        '=',
        ', client: ',
        ', remoteIp = ',
        '->192.0.2.1:143',
        ' status="ok"',
        '","_ip":"',
        '"',
        '"\t"',
        `"\t"${ATTACKER}"\t"2026-11-22 13:00:00"\t"`,
        '"\t""\t"LOGIN"\t"0"\t"0',
        ' as ',
        ',',
        ') Authenticated.',
        ' LOGIN ok',
        ' plaintext User logged in',
        ' r.clienthost=[',
        ';ip=',
        ';',
      ),
      {
        minLength: 1,
        maxLength: 16,
      },
    )
    .map((parts) => parts.join(''))
  const shapes: readonly ((name: string) => string)[] = [
    (name) =>
      `Nov 22 14:00:00 m dovecot: imap-login: Login: user=<${name}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, mpid=1, session=<abc>`,
    (name) => `Nov 22 14:00:00 m dovecot: pop3-login: Logged in: user=<${name}>, rip=198.51.100.7, lip=192.0.2.1`,
    (name) => `Nov 22 14:00:00 m dovecot: pop3-login: Login: rip=198.51.100.7, lip=192.0.2.1, user=<${name}>`,
    (name) => `Nov 22 14:00:00 pop3-login: Info: Login: user=<${name}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1`,
    (name) => `Nov 22 14:00:00 m imap-login: Login: ${name} [198.51.100.7]`,
    (name) =>
      `Nov 22 14:00:00 m dovecot: imap-login: Login: user=<${name}>, auth_user=<${name}>, method=PLAIN, rip=198.51.100.7, session=<TX+Tjt1ghaLGM2QH>`,
    (name) =>
      `Nov 22 14:00:00 m dovecot: imap-login: Login: user=<${name}>, method=PLAIN, mpid=1, session=<TX+Tjt1gAAA>`,
    (name) => `Nov 22 14:00:00 m dovecot: imap-login: Login: user=${name}, method=PLAIN, mpid=1, session=<TX+Tjt1gAAA>`,
    (name) =>
      `Nov 22 14:00:00 m dovecot: imap-login: proxy(${name},192.0.2.9:143): Started proxying to remote host (0.022 secs): user=<${name}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1`,
    (name) => `Nov 22 14:00:00 m popper[1]: (v4.0.5) POP login by user "${name}" at (h.example) 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m popper[1]: (v4.0.5) POP login by user "alice" at (${name}) 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m popper[1]: Stats: ${name} 0 0 0 0 h.example 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m popper[1]: Stats: alice 0 0 0 0 ${name} 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m ipop3d[1]: Login user=${name} host=h.example [198.51.100.7] nmsgs=0/0`,
    (name) => `Nov 22 14:00:00 m ipop3d[1]: Login user=alice host=${name} [198.51.100.7] nmsgs=0/0`,
    (name) => `Nov 22 14:00:00 m popa3d[1]: Authentication passed for ${name} -- [198.51.100.7]`,
    (name) => `Nov 22 14:00:00 m imapd: LOGIN, user=${name}, ip=[::ffff:198.51.100.7], port=[1], protocol=IMAP`,
    (name) => `Nov 22 14:00:00 m pop3d: LOGIN, user=${name}, ip=[198.51.100.7]`,
    (name) => `Nov 22 14:00:00 m vpopmail[1]: vchkpw-pop3: (PLAIN) login success ${name}@example.com:198.51.100.7`,
    (name) => `Nov 22 14:00:00 m vpopmail[1]: vchkpw-pop3: system password login success ${name}:198.51.100.7`,
    (name) => `Nov 22 14:00:00 m vpopmail[1]: vchkpw: login [${name}] from 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m in.imapproxyd[1]: LOGIN: '${name}' (198.51.100.7:1) on new sd [9]`,
    (name) => `Nov 22 14:00:00 m solid-pop3d[1]: user ${name} authenticated - 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m solid-pop3d[1]: user alice authenticated - ${name} (198.51.100.7)`,
    (name) => `Nov 22 14:00:00 m teapop[1]: Successful login for ${name} [192.0.2.25] from h.example [198.51.100.7]`,
    (name) => `Nov 22 14:00:00 m teapop[1]: Successful login for alice [192.0.2.25] from ${name} [198.51.100.7]`,
    (name) =>
      `Nov 22 14:00:00 m tpop3d[1]: fork_child: [5]${name}(198.51.100.7): began session for \`${name}' with pam; child PID is 2`,
    (name) => `Nov 22 14:00:00 m tpop3d[1]: fork_child: [5]${name}(198.51.100.7): successfully authenticated with pam`,
    (name) => `Nov 22 14:00:00 m cucipop[1]: ${name} 198.51.100.7 3, 1 (2048), 2 (9120)`,
    (name) => `Nov 22 14:00:00 m vm-pop3d[1]: User '${name}' logged in from 198.51.100.7, nmsgs=3`,
    (name) => `Nov 22 14:00:00 m gnu-pop3d[1]: User ${name} logged in with mailbox /var/mail/a from 198.51.100.7`,
    (name) => `Nov 22 14:00:00 m gnu-pop3d[1]: User alice logged in with mailbox /var/mail/${name} from 198.51.100.7`,
    (name) =>
      `Nov 22 14:00:00 m dbmail/imap4d[1]: Notice: [0x7f] login accepted: id [4] user [${name}] from [198.51.100.7:4711]`,
    (name) => `Nov 22 14:00:00 m popper[1]: login from 198.51.100.7 as ${name}`,
    (name) => `Nov 22 14:00:00 m popper[1]: (${name},198.51.100.7) Authenticated.`,
    (name) => `Nov 22 14:00:00 m gromox-imap[1]: rhost=[198.51.100.7]:4711 user=${name} LOGIN ok`,
    (name) => `"m"\t"${name}"\t"198.51.100.7"\t"2026-11-22 14:00:00"\t"a"\t""\t"LOGIN"\t"0"\t"0"`,
    (name) => `"m"\t"d"\t"198.51.100.7"\t"2026-11-22 14:00:00"\t"${name}"\t"${name}"\t"LOGIN"\t"0"\t"0"`,
    (name) =>
      [
        '[192.0.2.1:143] connection accepted from [198.51.100.7:4711]',
        `Authentication error for user '${name}': Account not found locally`,
        `User [${name}] successfully authorized!`,
      ]
        .map((message) => `2026-11-22 14:00:00 +0000 08 m IMAP:000056A7: ${message}`)
        .join('\n'),
    (name) => `Nov 22 14:00:00 m pop3d[1]: login: ${name}[198.51.100.7] alice plaintext`,
    (name) =>
      `Nov 22 14:00:00 m cyrus/imap[1]: login: ${name} [198.51.100.7] alice plaintext User logged in SESSIONID=<a>`,
    (name) => `Nov 22 14:00:00 m cyrus/pop3[1]: login: [198.51.100.7] ${name} plaintext User logged in SESSIONID=<a>`,
    (name) =>
      `Nov 22 14:00:00 m cyrus/imap[1]: event=login.good r.clienthost="${name} [198.51.100.7]" u.username=a login.tls=0 login.magic=~null~`,
    (name) =>
      `Nov 22 14:00:00 m cyrus/pop3[1]: event=login.good r.clienthost=[198.51.100.7] u.username=${name} login.tls=0 pop.subfolder=${name}`,
    (name) =>
      `2026-11-22 14:00:00,101 INFO  [ImapServer-5] [ip=198.51.100.7;ua=${name};cid=1;] security - cmd=Auth; account=${name}; protocol=imap;`,
    (name) =>
      `2026-11-22 14:00:00,101 INFO  [Pop3Server-5] [ip=10.0.0.5;oip=198.51.100.7;via=${name};] security - cmd=Auth; account=a@example.com; protocol=pop3;`,
    (name) =>
      `2026/11/22 14:00:00 [info] 9#9: *5 client logged in, client: 198.51.100.7, server: 192.0.2.1:143, login: "${name}", upstream: 192.0.2.2:143`,
    (name) =>
      `Nov 22 14:00:00 m nginx: 2026/11/22 14:00:00 [info] 9#9: *5 client login failed: "${name}", client: 198.51.100.7, server: 192.0.2.1:143, login: "${name}"`,
    (name) =>
      `Nov 22 14:00:00 m perdition[1]: Auth: 198.51.100.7:4711->192.0.2.1:143 client-secure=ssl authorisation_id="${name}" authentication_id="${name}" server="192.0.2.2:143" protocol=IMAP4S server-secure=plaintext status="ok"`,
    (name) =>
      `Nov 22 14:00:00 m perdition[1]: Auth: 198.51.100.7->192.0.2.1 user="${name}" server="${name}" port="143" status="ok"`,
    (name) =>
      `2026-11-22T14:00:00Z INFO Authentication successful (auth.success) listenerId = "imap", localPort = 143, remoteIp = 198.51.100.7, remotePort = 1, accountName = "${name}", accountId = 8`,
    (name) =>
      `info Gelf ${JSON.stringify({ short_message: `WILDDUCK [AUTHOK] ${name}`, _auth_result: 'success', _username: name, _scope: 'imap', _ip: '198.51.100.7', facility: 'wildduck', timestamp: 1795356000.5, _component: 'wildduck' })}`,
    (name) =>
      ['RECEIVED: USER alice', `RECEIVED: USER ${name}`, 'SENT: +OK Mailbox locked and ready']
        .map((text) => `"POP3D"\t1\t17\t"2026-11-22 14:00:00.000"\t"198.51.100.7"\t"${text}"`)
        .join('\n'),
    (name) =>
      [`RECEIVED: ${name} LOGIN "${name}" ***`, 'RECEIVED: a LOGIN alice ***', `SENT: ${name} OK LOGIN completed`]
        .map((text) => `"IMAPD"\t1\t17\t"2026-11-22 14:00:00.000"\t"198.51.100.7"\t"${text}"`)
        .join('\n'),
    (name) =>
      `2026-11-22T14:00:00.000Z,0000000000000006,2,192.0.2.25:143,198.51.100.7:4711,${name},1,1,1,login,${name} *****,"R=OK;Msg=""User:${name}""",`,
    (name) =>
      `11/22/26 14:00:00\tIMAP-IN\t\t34\t198.51.100.7\tLOGIN\tLOGIN "${name}" "****"\t${name} OK LOGIN completed\t3\t4\t${name}\t`,
    (name) =>
      `Nov 22 14:00:00 m sm-mta[1]: from=${name}POP login by user "admin" at (h) ${ATTACKER}, relay=[${ATTACKER}]`,
  ]

  it.each(shapes.map((shape) => [shape('NAME'), shape] as const))('%s', (_line, shape) => {
    fc.assert(
      fc.property(hostile, (name) => {
        for (const login of scan([shape(name)], 'lines')) expect(login.address).toBe('198.51.100.7')
      }),
      effort(500),
    )
  })
})

interface CorpusRecord {
  readonly id: string
  readonly policy: 'must' | 'may' | 'unfixable'
  readonly format: string
  readonly server: string
  readonly line: string
  readonly line_b64?: string
  readonly context?: readonly string[]
  readonly expect: { readonly user: string; readonly ip: string; readonly service: string } | null
  readonly forbid?: readonly string[]
}

/** Servers whose lines these parsers must know; all others are noise to them. */
const OUR_SERVERS = new Set([
  'courier',
  'imapproxy',
  'qmail-pop3d',
  'vpopmail',
  'hmailserver',
  'mailenable',
  'exchange',
  'kerio',
  'nginx-mail',
  'perdition',
  'stalwart',
  'wildduck',
  'cyrus',
  'zimbra',
  'dovecot',
  'qpopper',
  'uw-imap',
  'popa3d',
  'popper',
  'spoof',
  'multi',
  'solid-pop3d',
  'teapop',
  'tpop3d',
  'cucipop',
  'vm-pop3d',
  'gnu-pop3d',
  'dbmail',
  'mailutils',
  'citadel',
  'xmail',
  'axigen',
  'mercury32',
])
const corpusFile = process.env.POPAUTHD_CORPUS

describe('the corpus that POPAUTHD_CORPUS names', () => {
  it.skipIf(corpusFile === undefined)('is met (skipped unless POPAUTHD_CORPUS names a login-lines.jsonl)', () => {
    const records = readFileSync(corpusFile as string, 'utf8')
      .trim()
      .split('\n')
    const wrong = records.map((text) => JSON.parse(text) as CorpusRecord).filter((record) => !isMet(record))
    expect(wrong.map(({ id, line }) => `${id} ${line.slice(0, 200)}`)).toEqual([])
  })

  function isMet(record: CorpusRecord): boolean {
    if (record.policy === 'unfixable') return true
    const format = record.format === 'journald-json' ? 'journal-json' : 'lines'
    const scanner = newScanner()
    scan(record.context ?? [], format, scanner)
    const last = record.line_b64 === undefined ? record.line : Buffer.from(record.line_b64, 'base64')
    const logins = scan([last], format, scanner)
    if (logins.some(({ address }) => record.forbid?.includes(address))) return false
    const [login] = logins
    if (login === undefined) return record.expect === null || record.policy === 'may' || !OUR_SERVERS.has(record.server)
    if (record.expect === null) return record.policy === 'may'
    const { user, ip, service } = record.expect
    const sameService = service === 'any' || service === login.service
    return logins.length === 1 && login.user === user && login.address === ip && sameService
  }
})

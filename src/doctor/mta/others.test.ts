import { copyFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClientAddress } from '../../core/client-address.ts'
import { fakeTools } from '../../setup/fake-tools.ts'
import { hostTools, type Tools } from '../../setup/tools.ts'
import { fakeHost, told } from '../fake-host.ts'
import type { Finding } from '../finding.ts'
import { examineCourier } from './courier.ts'
import { noteFor } from './note-for.ts'
import { examineOpensmtpd } from './opensmtpd.ts'
import { examineQmail, verdictOf } from './qmail.ts'
import { rulesIn } from './smtpd-conf.ts'
import { tcpserverOf } from './tcpservers.ts'

const subject = (address: string, authorized: boolean) => ({
  address: address as ClientAddress,
  authorized,
  isNamed: false,
})
const subjects = [subject('203.0.113.77', false), subject('198.51.100.7', true)]
const toldBy = (findings: readonly Finding[], ...checks: string[]) =>
  told(findings.filter(({ check }) => checks.includes(check)))

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'popauthd-test-'))
})
afterEach(() => rm(home, { recursive: true }))

describe('qmail', () => {
  const ALLOW = 'rule :\nallow connection\n'
  const RELAY = 'rule 198.51.100.7:\nset environment variable RELAYCLIENT=\nallow connection\n'
  const examine = async (programs: Parameters<typeof fakeTools>[0], files: Record<string, string> = {}) => {
    const host = fakeHost(home, { maps: [{ format: 'tcprules', path: join(home, 'tcp.cdb') }] })
    return examineQmail({ host, tools: fakeTools(programs, files), subjects })
  }
  let root = '/'
  const runs = async (...args: string[]) => {
    await mkdir(join(home, 'proc/7'), { recursive: true })
    await rm(join(home, 'proc/7/root'), { force: true })
    await symlink(root, join(home, 'proc/7/root'))
    await writeFile(join(home, 'proc/7/cmdline'), ['/usr/bin/tcpserver', ...args, ''].join('\0'))
  }

  it('the rules are asked by tcprulescheck, about each address', async () => {
    const agreed = await examine({
      'TCPREMOTEIP=203.0.113.77 tcprulescheck': ALLOW,
      'TCPREMOTEIP=198.51.100.7 tcprulescheck': RELAY,
    })
    expect(toldBy(agreed, 'tcprulescheck')).toMatch(
      /^ok: has no login, and is refused.*\nok: may relay, and is permitted$/,
    )
    const wrong = await examine({
      'TCPREMOTEIP=203.0.113.77 tcprulescheck': RELAY,
      'TCPREMOTEIP=198.51.100.7 tcprulescheck': ALLOW,
    })
    expect(toldBy(wrong, 'tcprulescheck')).toMatch(/^problem: .*OPEN RELAY.*\nproblem: may relay, and is refused/)
    expect(toldBy(await examine({}), 'tcprulescheck')).toMatch(/^unknown: there is no tcprulescheck/)
    const unread = await examine({ 'TCPREMOTEIP=203.0.113.77 tcprulescheck': { code: 111, stderr: 'unable to read' } })
    expect(toldBy(unread, 'tcprulescheck')).toMatch(/^unknown: could not be asked: unable to read/)
  })

  it('tcprulescheck has the rights of the daemon, not those of root', async () => {
    const tools = fakeTools({ TCPREMOTEIP: ALLOW })
    const maps = [{ format: 'tcprules', path: join(home, 'tcp.cdb') }]
    for (const daemonUid of [900, 0])
      await examineQmail({ host: fakeHost(home, { maps }, { daemonUid }), tools, subjects })
    expect(tools.ranAs.map((line) => line.replace(/ \S+$/, ''))).toEqual(
      subjects.map(({ address }) => `900:900 TCPREMOTEIP=${address} tcprulescheck`),
    )
  })

  it('a rule that denies refuses a stranger, and says nothing about a login', () => {
    expect(verdictOf('rule :\ndeny connection\n', false)).toBe('refused')
    expect(verdictOf('rule :\ndeny connection\n', true)).toBe('other')
    expect(verdictOf('whatever\n', true)).toBeUndefined()
  })

  it('the running tcpserver tells which rules are in force, and the file who may read them', async () => {
    expect(toldBy(await examine({}), 'recipe')).toMatch(/^unknown: no tcpserver for SMTP is seen running/)
    await writeFile(join(home, 'tcp.cdb'), '')
    await runs('-x', join(home, 'tcp.cdb'), '-u0', '-g', '0', '0', 'smtp', 'qmail-smtpd')
    expect(toldBy(await examine({}), 'recipe', 'file')).toMatch(
      /^ok: port smtp: reads the rules that popauthd keeps.*\nok: root may read it/,
    )
    await runs('-x', '/etc/tcp.smtp.cdb', '0', '25', 'qmail-smtpd')
    expect(toldBy(await examine({}), 'recipe')).toMatch(/^problem: port 25: reads \/etc\/tcp\.smtp\.cdb/)
    root = home
    await runs('-x', '/etc/tcp.smtp.cdb', '0', '25', 'qmail-smtpd')
    expect(toldBy(await examine({}), 'recipe')).toMatch(/^unknown: no tcpserver for SMTP is seen running/)
    root = '/'
    await runs('0', '110', 'qmail-popup')
    const script = { '/service/qmail-smtpd/run': 'exec tcpserver -x /etc/tcp.smtp.cdb 0 25' }
    expect(toldBy(await examine({}, script), 'recipe')).toMatch(/^unknown: .*\nproblem: does not name/)
  })

  it('without rcpthosts qmail relays for everybody', async () => {
    expect(toldBy(await examine({}, { '/var/qmail/control': '' }), 'recipe')).toMatch(
      /problem: is not there: .*OPEN RELAY/,
    )
  })

  it('options of tcpserver are read as getopt does', () => {
    const read = (...args: string[]) => tcpserverOf(1, ['tcpserver', ...args, ''].join('\0'))
    expect(read('-HRXl', 'mx', '-c100', '-u', '7', '-g8', '-x', '/r', '--', '0', '25', 'x', '-x', '/no')).toEqual({
      pid: 1,
      rules: '/r',
      uid: 7,
      gid: 8,
      port: '25',
    })
    expect(tcpserverOf(1, 'sh\0-c\0tcpserver -x /r 0 25\0')).toBeUndefined()
  })
})

describe('OpenSMTPD', () => {
  const TABLE = 'table popauth popauthd:/run/p.sock\n'
  const LOCAL = 'match from any for domain "example.net" action "local"\n'
  const RULE = 'match from src <popauth> for any action "relay"\n'

  it.each<[string, string, ReturnType<typeof rulesIn>]>([
    [
      'the recipe',
      `${TABLE}# match from any for any action "relay"\n${LOCAL}match from any auth for any action "relay"\n${RULE}`,
      {
        tables: [{ name: 'popauth', kind: 'popauthd', place: '/run/p.sock', rule: { isLast: true } }],
        open: undefined,
        includes: false,
      },
    ],
    [
      'another order, and another file',
      `include "/etc/more"\n${TABLE}${RULE}${LOCAL}`,
      {
        tables: [{ name: 'popauth', kind: 'popauthd', place: '/run/p.sock', rule: { isLast: false } }],
        open: undefined,
        includes: true,
      },
    ],
    [
      'a table that is not used, and an open relay in two lines',
      `${TABLE}match from any \\\n for any action "relay"\n`,
      {
        tables: [{ name: 'popauth', kind: 'popauthd', place: '/run/p.sock', rule: undefined }],
        open: 'match from any for any action "relay"',
        includes: false,
      },
    ],
    ['a refusal of all', 'match from any for any reject\n', { tables: [], open: undefined, includes: false }],
  ])('%s', (_, text, expected) => expect(rulesIn(text)).toEqual(expected))

  const SOCKET_LOOKUP = { lookups: [{ protocol: 'opensmtpd', socket: '/run/p.sock' }] }
  const examine = (
    conf: string,
    options: Record<string, unknown>,
    answers: Parameters<typeof fakeTools>[0] = {},
    files: Record<string, string> = {},
  ) => {
    const programs = {
      'smtpd -h': { code: 1, stderr: 'version: OpenSMTPD 7.6.0-portable\n' },
      'smtpd -n': '',
      ...answers,
    }
    const tools = fakeTools(programs, { '/etc/smtpd.conf': conf, ...files })
    return examineOpensmtpd({ host: fakeHost(home, options), tools, subjects })
  }

  it('the rules and the check of the configuration', async () => {
    const recipe = async (conf: string, options: Record<string, unknown> = SOCKET_LOOKUP) =>
      toldBy(await examine(conf, options), 'recipe')
    expect(await recipe(TABLE + LOCAL + RULE)).toBe('ok: asks popauthd: /run/p.sock')
    expect(await recipe(TABLE + RULE + LOCAL)).toMatch(/^warning: has rules behind/)
    expect(await recipe(TABLE + LOCAL)).toMatch(/^problem: has the table popauth, and no rule/)
    expect(await recipe(TABLE + LOCAL + RULE, {})).toMatch(
      /^problem: asks at \/run\/p\.sock, where popauthd does not answer/,
    )
    expect(await recipe(LOCAL)).toMatch(/^problem: does not ask popauthd/)
    expect(await recipe('match from any for any action "relay"\n')).toMatch(/^problem: .*OPEN RELAY/)
    const refused = await examine(TABLE, SOCKET_LOOKUP, {
      'smtpd -n': { code: 1, stderr: '/etc/smtpd.conf:3: syntax error' },
    })
    expect(toldBy(refused, 'smtpd -n')).toMatch(/^problem: is refused: .*syntax error/)
    const none = await examineOpensmtpd({ host: fakeHost(home), tools: fakeTools({}), subjects })
    expect(told(none)).toMatch(/^problem: is not installed here/)
  })

  it('the table program is asked as smtpd asks it', async () => {
    const program = '/usr/libexec/opensmtpd/table-popauthd'
    const conf = TABLE + LOCAL + RULE
    const found = await examine(conf, SOCKET_LOOKUP, { [program]: 'check-result|1|found\n' }, { [program]: '' })
    expect(toldBy(found, 'table program')).toMatch(
      /^problem: says found, .*may not relay\nok: says found, as popauthd check does$/,
    )
    const silent = await examine(
      conf,
      SOCKET_LOOKUP,
      { [program]: { stdout: '', stderr: 'cannot reach popauthd' } },
      { [program]: '' },
    )
    expect(toldBy(silent, 'table program')).toMatch(/^warning: gives no answer: cannot reach popauthd/)
    expect(toldBy(await examine(conf, SOCKET_LOOKUP), 'table program')).toMatch(/^problem: is in none of/)
  })

  it('the file is read', async () => {
    const path = join(home, 'hosts')
    const map = { format: 'opensmtpd', path, command: ['/usr/bin/touch', join(home, 'note')] }
    const text = '# @list\n[2001:db8::7]\n198.51.100.0/28\n'
    await writeFile(path, text)
    const conf = `table popauth file:${path}\n${LOCAL}${RULE}`
    const findings = await examine(conf, { maps: [map] }, {}, { [path]: text })
    expect(toldBy(findings, 'recipe', 'file', 'file table', 'note').split('\n')).toEqual([
      expect.stringMatching(/^ok: reads the file that popauthd keeps/),
      'ok: smtpd may read it',
      'ok: says nothing, as popauthd check does',
      'ok: says 198.51.100.0/28, as popauthd check does',
      expect.stringMatching(/^ok: is not there/),
    ])
  })
})

it('a note that nobody takes', async () => {
  const path = join(home, 'note')
  await writeFile(path, '')
  await utimes(path, 1000, 1000)
  const at = (seconds: number) => noteFor(['/usr/bin/touch', path], 'x.path', seconds * 1000).then(told)
  expect(await at(1002)).toBe('')
  expect(await at(1060)).toMatch(/^problem: is there since 60 s/)
  expect(await noteFor(['/usr/sbin/makesmtpaccess'], 'x.path')).toEqual([])
})

describe('Courier', () => {
  const paths = () => ({ file: join(home, 'popauthd-file'), directory: join(home, 'smtpaccess') })
  beforeEach(async () => {
    const { file, directory } = paths()
    await mkdir(directory)
    await writeFile(file, '\n198.51.100.7\tallow,RELAYCLIENT\n')
    await symlink(file, join(directory, 'popauthd'))
    await writeFile(join(directory, 'default'), '127.0.0.1\tallow,RELAYCLIENT\n')
    await writeFile(`${directory}.dat`, 'made')
  })
  const examine = (made = 'made', changes: Parameters<typeof fakeHost>[2] = { daemonUid: 0 }) => {
    const { file, directory } = paths()
    const map = { format: 'courier', path: file, rules: directory, command: ['/usr/sbin/makesmtpaccess'] }
    const run: Tools['run'] = async ([program, , target = '']) => {
      if (program !== 'makedat') return undefined
      await writeFile(target.replace('-file=', ''), made)
      return { code: 0, stdout: '', stderr: '' }
    }
    return examineCourier({
      host: fakeHost(home, { maps: [map] }, changes),
      tools: { ...fakeTools({}), run, read: hostTools.read },
      subjects,
    })
  }
  const CHECKS = ['recipe', 'smtpaccess.dat', 'smtpaccess']

  it('is attached', async () => {
    expect(toldBy(await examine(), ...CHECKS).split('\n')).toEqual([
      expect.stringMatching(/^ok: popauthd is the file that popauthd keeps/),
      'ok: says what the files say',
      'ok: has no login, and is refused',
      'ok: may relay, and is permitted',
    ])
  })

  it('is a copy, or a link that root should not follow', async () => {
    const { directory, file } = paths()
    const recipe = async () => toldBy(await examine('made', { daemonUid: 900 }), 'recipe')
    expect(await recipe()).toMatch(/^warning: popauthd is a link to .* any file of root's/)
    await rm(join(directory, 'popauthd'))
    await copyFile(file, join(directory, 'popauthd'))
    expect(await recipe()).toMatch(/^ok: popauthd is a copy of the file that popauthd keeps/)
    await writeFile(file, 'other')
    expect(await recipe()).toMatch(/^problem: popauthd is not what popauthd keeps in/)
  })

  it('is not linked, and has an open line', async () => {
    const { directory } = paths()
    await rm(join(directory, 'popauthd'))
    await writeFile(join(directory, 'own'), '203.0\tallow,RELAYCLIENT\n')
    expect(toldBy(await examine(), ...CHECKS)).toMatch(
      /^problem: holds nothing of .*\nok: .*\nproblem: has no login, and is permitted: OPEN RELAY.*\nproblem: may relay, and is refused/,
    )
  })

  it('has an smtpaccess.dat that says something else, or is missing', async () => {
    const { directory, file } = paths()
    await utimes(file, 1000, 1000)
    await utimes(join(directory, 'default'), 1000, 1000)
    expect(toldBy(await examine('other'), 'smtpaccess.dat')).toMatch(/^unknown: is not byte for byte/)
    await utimes(file, new Date(), new Date(Date.now() + 60_000))
    expect(toldBy(await examine('other'), 'smtpaccess.dat')).toMatch(/^problem: is older than the files/)
    await rm(`${directory}.dat`)
    expect(toldBy(await examine(), 'smtpaccess.dat')).toMatch(/^problem: is not there/)
  })
})

/** Formats of the operator's own through the whole command line; the example is that of docs/own-formats.md. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { callCli } from './fake-process.ts'
import { mayHoldFormats } from './known-parsers.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/own-formats.md'), 'utf8')
const EXAMPLE = /```yaml\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? ''
const samples = (
  parse(EXAMPLE) as { formats: { samples: { line: string; expect: object | null }[] }[] }
).formats.flatMap((format) => format.samples)
const LOG = samples.map(({ line }) => `${line}\n`).join('')

let directory: string
let config: string
let log: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-own-'))
  config = join(directory, 'popauthd.yaml')
  log = join(directory, 'mail.log')
  writeFileSync(config, EXAMPLE)
  writeFileSync(log, LOG)
})
afterAll(() => rmSync(directory, { recursive: true }))

const objects = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('the example of docs/own-formats.md', () => {
  it('shows the lines that it describes, and is valid', async () => {
    for (const { line } of samples) expect(PAGE).toContain(`\n    ${line}\n`)
    expect(await callCli(['config', 'check', config])).toMatchObject({ code: 0, stderr: '' })
  })

  it('is used by scan', async () => {
    const wanted = samples.flatMap(({ expect: login }) => (login === null ? [] : [{ ...login, server: 'mailhub' }]))
    expect(wanted).toHaveLength(2)
    for (const more of [[], ['--format', 'mailhub']]) {
      const { code, stdout } = await callCli(['scan', '--json', '--config', config, ...more, log])
      expect(code).toBe(0)
      expect(objects(stdout)).toMatchObject(wanted)
    }
    expect((await callCli(['scan', '--json', '--config', config, '--format', 'dovecot', log])).stdout).toBe('')
  })

  it('is used where $POPAUTHD_CONFIG names it', async () => {
    const env = { POPAUTHD_CONFIG: config }
    expect(objects((await callCli(['scan', '--json', log], { env })).stdout)).toHaveLength(2)
    expect((await callCli(['scan', '--json', log])).stdout).toBe('')
  })

  it('is used by explain and told by formats', async () => {
    const [first, , failed] = samples.map(({ line }) => line) as [string, string, string]
    const taken = await callCli(['explain', '--config', config, first])
    expect(taken.code).toBe(0)
    expect(taken.stdout).toMatch(/Our mail hub \(mailhub\): a successful login/)
    expect(taken.stdout).toMatch(new RegExp(`server_ip +column +${first.indexOf('192.0.2.25') + 1}`))
    const refused = await callCli(['explain', '--config', config, failed])
    expect(refused.code).toBe(1)
    expect(refused.stdout).toContain(
      `closest is Our mail hub (mailhub), column ${failed.indexOf(', failed') + 1}: the pattern does not fit from here on`,
    )
    const listed = JSON.parse((await callCli(['formats', '--json', '--config', config])).stdout) as object[]
    expect(listed.at(-1)).toMatchObject({ id: 'mailhub', title: 'Our mail hub', own: true, sample: [first] })
    expect((await callCli(['formats', '--config', config])).stdout).toMatch(
      /mailhub {2}Our mail hub {2}\(of your own\)/,
    )
  })

  it('is refused by every command that uses it, where it is wrong', async () => {
    const bad = join(directory, 'bad.yaml')
    writeFileSync(bad, EXAMPLE.replace('session [0-9a-f]+', 'session (?=[0-9a-f]+)'))
    for (const args of [
      ['config', 'check', bad],
      ['scan', '--config', bad, log],
      ['formats', '--config', bad],
      ['explain', '--config', bad, LOG],
    ]) {
      const { code, stderr } = await callCli(args)
      expect(code).toBe(2)
      expect(stderr).toMatch(
        /bad\.yaml:6:14: formats\[0\]\.pattern: at character 94 of the pattern: \(\?= is look-ahead/,
      )
    }
  })
})

describe('the default configuration is loaded', () => {
  it.each([
    EXAMPLE,
    'formats:\n- id: a',
    '{ servers: [], formats: [{ id: a }] }',
    '"formats" : &a\n  - id: b',
    '{"formats":[{}]}',
  ])('where it holds formats: %j', (text) => expect(mayHoldFormats(text)).toBe(true))

  it.each([
    '',
    'formats: []',
    'formats: [ ] # none',
    '# formats: what the log holds\nservers: []',
    'servers: [formats]',
  ])('not where it holds none: %j', (text) => expect(mayHoldFormats(text)).toBe(false))

  it('not where it is the example, which holds every option at its default', () => {
    const example = readFileSync(join(import.meta.dirname, '../../etc/popauthd.yaml'), 'utf8')
    expect(mayHoldFormats(example)).toBe(false)
  })
})

describe('formats detect', () => {
  const DOVECOT =
    'Nov 22 14:00:00 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, mpid=1, TLS, session=<a>'
  const FORGED = DOVECOT.replace('rip=', '\u001b[2Jrip=')

  it('tells which servers wrote a log, and the configuration for them', async () => {
    const packed = join(directory, 'old.gz')
    writeFileSync(packed, gzipSync(`${DOVECOT}\n${DOVECOT.replace('alice', 'bob')}\n${FORGED}\n`))
    const { code, stdout, stderr } = await callCli(
      ['formats', 'detect', '--config', config, '--timezone', 'UTC', packed, log, '-'],
      {
        stdin: `nothing\n${DOVECOT.replace('14:00:00', '16:00:00')}`,
      },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^server +logins +users +addresses +first +last +failed\n/)
    expect(stdout).toMatch(/^dovecot +3 +2 +1 +\d{4}-11-22 14:00:00 +\d{4}-11-22 16:00:00 +1\n/m)
    expect(stdout).toMatch(/^mailhub +2 +2 +2 .* 1\n/m)
    expect(stdout).toMatch(/^dovecot: 1 line looks like a login and is none, last .*old\.gz:3:\d+: /m)
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toContain('\\x1b[2Jrip=')
    const yaml = stdout.slice(stdout.indexOf('# configuration'))
    expect(parse(yaml)).toEqual({ servers: ['dovecot', 'mailhub'] })
  })

  it('tells it as JSON', async () => {
    const { code, stdout } = await callCli([
      'formats',
      'detect',
      '--json',
      '--config',
      config,
      '--timezone',
      'UTC',
      log,
    ])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      servers: [
        {
          server: 'mailhub',
          title: 'Our mail hub',
          logins: 2,
          users: 2,
          addresses: 2,
          first: expect.stringMatching(/-11-22T14:20:04\.000Z$/),
          last: expect.stringMatching(/-11-22T14:20:09\.000Z$/),
          failed: 1,
          lastFailed: {
            line: samples[2]?.line,
            file: log,
            lineNumber: 3,
            column: (samples[2]?.line.indexOf(', failed') ?? 0) + 1,
            reason: 'the pattern does not fit from here on',
          },
        },
      ],
      configuration: { servers: ['mailhub'] },
    })
  })

  it('is 1 where there is nothing, and says what to do next', async () => {
    const { code, stdout } = await callCli(['formats', 'detect', log])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^no login in 3 lines of 1 file\n\nWhat to do next:\n {2}popauthd explain/)
    expect(stdout).toContain('docs/own-formats.md')
    const json = await callCli(['formats', 'detect', '--json', '-'], { stdin: `${FORGED}\n` })
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      servers: [{ server: 'dovecot', logins: 0, failed: 1 }],
      configuration: null,
    })
  })

  it('is 3 where a file cannot be read, and goes on with the others', async () => {
    const { code, stdout, stderr } = await callCli(['formats', 'detect', join(directory, 'missing'), '-'], {
      stdin: `${DOVECOT}\n`,
    })
    expect(code).toBe(3)
    expect(stderr).toMatch(/cannot read .*missing: no such file/)
    expect(stdout).toMatch(/^dovecot +1 /m)
  })

  it('says that a log is binary', async () => {
    const { stderr } = await callCli(['formats', 'detect', '-'], { stdin: Buffer.from([0, 1, 2, 10]) })
    expect(stderr).toMatch(/standard input does not look like a log: there are zero bytes/)
  })
})

/** Maps that leave the configuration, on real files and programs. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mapTools } from '../../../test/support/makemap.ts'
import { loadConfig } from '../../config/load.ts'
import type { Authorization } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import { ManualClock } from '../../lib/clock.ts'
import { publishersFor } from '../for-config.ts'
import { FormerMaps } from './former-maps.ts'
import { keptMapsPath } from './kept-maps-file.ts'

const NOW_MS = 1_700_000_000_000
const CLIENT = '192.0.2.7'
const ALWAYS = '198.51.100.0/24'
const signal = new AbortController().signal
const asRoot = it.runIf(process.geteuid?.() === 0)

let home: string
let state: string
let clock: ManualClock

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'popauthd-former-'))
  state = join(home, 'state')
  mkdirSync(state)
  clock = new ManualClock(NOW_MS)
})
afterEach(() => rmSync(home, { recursive: true }))

type Overrides = Readonly<Record<string, unknown>>
const parts = () => ({ clock, isKnown: () => true, notice: () => {} })

function configOf(overrides: Overrides) {
  return loadConfig({ env: {}, overrides: { state_directory: state, ...overrides } }).config
}

const formerOf = (overrides: Overrides) => new FormerMaps(configOf(overrides), parts())

/** As the daemon starts and publishes one client. */
async function run(overrides: Overrides): Promise<void> {
  const config = configOf(overrides)
  await new FormerMaps(config, parts()).note()
  const client: Authorization = {
    address: CLIENT as ClientAddress,
    reason: 'login',
    untilMs: NOW_MS + 60_000,
    users: [
      {
        user: 'alice',
        lastMs: NOW_MS,
        firstMs: NOW_MS,
        service: 'pop3',
        server: 'dovecot',
        refused: false,
      },
    ],
  }
  for (const { publisher } of publishersFor(config, parts()).all) {
    await publisher.resync(() => [[client]], signal)
    await publisher[Symbol.asyncDispose]()
  }
}

/** What the file of the state directory says. */
const noted = () => (JSON.parse(readFileSync(keptMapsPath(state), 'utf8')) as { maps: unknown[] }).maps

const inHome = (name: string) => join(home, name)
const read = (name: string) => readFileSync(inHome(name), 'latin1')

/** A program that does as `body` says; what it is given is in `$0.input` afterwards. */
function program(name: string, body = 'cat > "$0.input"'): string {
  const path = inHome(name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

describe('a map that is taken out', () => {
  it.each(['exim_list', 'exim_iplsearch', 'exim_cdb', 'tcprules'])(
    'of format %s is closed, and forgotten',
    async (format) => {
      const path = inHome(format === 'tcprules' ? 'old.cdb' : 'old')
      await run({ maps: [{ format, path }], admission: { always: [ALWAYS] } })
      const name = path.slice(home.length + 1)
      expect(read(name)).toContain(CLIENT)
      const former = formerOf({ admission: { always: [ALWAYS] } })
      expect(await former.close(signal)).toEqual([{ name: `${format} ${path}` }])
      expect(read(name)).not.toContain(CLIENT)
      expect(read(name)).not.toContain('198.51.100')
      expect(noted()).toEqual([])
      expect(await former.close(signal)).toEqual([])
    },
  )

  it('keeps the rules of the operator', async () => {
    const [path, rules] = [inHome('old.cdb'), inHome('rules')]
    writeFileSync(rules, '203.0.113.9:deny\n')
    await run({ maps: [{ format: 'tcprules', path, rules }] })
    await formerOf({}).close(signal)
    expect(read('old.cdb')).toContain('203.0.113.9')
    expect(read('old.cdb')).not.toContain(CLIENT)
  })

  it('of Postfix is closed also where logins now open networks, which it could not say', async () => {
    await run({ maps: [{ format: 'postfix', path: inHome('old'), map_type: 'cdb' }] })
    expect(read('old.cdb')).toContain(CLIENT)
    const [result] = await formerOf({ admission: { ipv6_prefix: 64 } }).close(signal)
    expect(result).toEqual({ name: `postfix ${inHome('old')}` })
    expect(read('old.cdb')).not.toContain(CLIENT)
  })

  it('that is a command is told that nobody has a right', async () => {
    const script = program('script')
    await run({ maps: [{ format: 'command', command: [script, 'argument'] }], admission: { always: [ALWAYS] } })
    expect(read('script.input')).toMatch(/^all\ngranted 198\.51\.100\.0\/24 .*\ngranted 192\.0\.2\.7 .*\nend\n$/)
    expect(await formerOf({}).close(signal)).toEqual([{ name: `command ${script}` }])
    expect(read('script.input')).toBe('all\nend\n')
  })

  it('has its command run once more, so that the MTA reads it', async () => {
    const script = program('script', 'echo run >> "$0.input"')
    await run({ maps: [{ format: 'opensmtpd', path: inHome('old'), command: [script] }] })
    await formerOf({}).close(signal)
    expect(read('script.input')).toBe('run\nrun\n')
  })

  it('of sendmail keeps its static entries', async () => {
    const tools = await mapTools(home)
    mkdirSync(inHome('mail'))
    const path = inHome('mail/access')
    writeFileSync(`${path}.static`, 'Connect:203.0.113.9\tREJECT\n')
    await run({ sendmail_access: { enabled: true, path, makemap_command: tools.makemapCommand } })
    expect(await tools.dump(path)).toHaveLength(2)
    expect(await formerOf({}).close(signal)).toEqual([{ name: `sendmail_access ${path}` }])
    expect(await tools.dump(path)).toEqual(['connect:203.0.113.9 REJECT'])
    expect(read('mail/access')).not.toContain(CLIENT)
    expect(read('mail/access.info')).not.toContain(CLIENT)
  })

  it('is forgotten where nothing of it is there', async () => {
    mkdirSync(inHome('gone'))
    mkdirSync(inHome('there'))
    const tools = await mapTools(home)
    const sendmail = { enabled: true, path: inHome('gone/access'), makemap_command: tools.makemapCommand }
    const maps = [
      { format: 'exim_list', path: inHome('gone/list') },
      { format: 'exim_list', path: inHome('there/list') },
      // Nobody can be asked which type it had, and none is there.
      { format: 'postfix', path: inHome('gone/postfix'), command: ['/nowhere/postmap'] },
    ]
    await formerOf({ maps, sendmail_access: sendmail }).note()
    rmSync(inHome('gone'), { recursive: true })
    expect(noted()).toHaveLength(4)
    expect(await formerOf({}).close(signal)).toEqual([])
    expect(noted()).toEqual([])
    expect(existsSync(inHome('gone'))).toBe(false)
    expect(existsSync(inHome('there/list'))).toBe(false)
  })
})

describe('what another map has taken the place of is left to that', () => {
  it.each([
    ['the same file in another format', 'old', 'exim_iplsearch'],
    ['the same file through a link', 'link', 'exim_list'],
  ])('%s', async (_, now, format) => {
    await run({ maps: [{ format: 'exim_list', path: inHome('old') }] })
    symlinkSync(inHome('old'), inHome('link'))
    const maps = [{ format, path: inHome(now) }]
    await run({ maps })
    expect(await formerOf({ maps }).close(signal)).toEqual([])
    expect(read('old')).toContain(CLIENT)
    expect(noted()).toHaveLength(1)
  })

  it('the sets of a firewall that it still fills; the others are emptied', async () => {
    const nft = program('nft', 'echo "-- $@" >> "$0.input"; cat >> "$0.input"')
    const before = { format: 'nftables', command: [nft], table: 'ip t', set_ipv4: 'four', set_ipv6: 'six' }
    await formerOf({ maps: [before] }).note()
    const maps = [{ ...before, set_ipv4: 'other' }]
    expect(await formerOf({ maps }).close(signal)).toEqual([{ name: 'nftables ip t' }])
    expect(read('nft.input')).toBe('-- -c -f -\nflush set ip t four\n-- -f -\nflush set ip t four\n')
  })

  it('the text of an access map; the map of the former type is emptied', async () => {
    const tools = await mapTools(home)
    const path = inHome('access')
    const hash = { enabled: true, path, makemap_command: tools.makemapCommand }
    await run({ sendmail_access: hash })
    const before = read('access')
    expect(before).toContain(CLIENT)
    const cdb = { ...hash, map_type: 'cdb' }
    expect(await formerOf({ sendmail_access: cdb }).close(signal)).toEqual([{ name: `sendmail_access ${path}` }])
    expect(await tools.dump(path)).toEqual([])
    expect(read('access')).toBe(before)
    expect(noted()).toMatchObject([{ mapType: 'cdb' }])
  })

  it('of two former ones the later', async () => {
    await formerOf({ maps: [{ format: 'exim_list', path: inHome('old') }] }).note()
    await run({ maps: [{ format: 'exim_iplsearch', path: inHome('old') }] })
    expect(noted()).toHaveLength(2)
    expect(await formerOf({}).close(signal)).toEqual([{ name: `exim_iplsearch ${inHome('old')}` }])
    expect(read('old')).not.toContain(CLIENT)
    expect(noted()).toEqual([])
  })
})

describe('what cannot be closed', () => {
  it('stays noted with the mend, over restarts, and others are closed meanwhile', async () => {
    const script = program('script')
    const maps = [
      { format: 'command', command: [script] },
      { format: 'exim_list', path: inHome('list') },
    ]
    await run({ maps })
    renameSync(script, `${script}.away`)
    const [failed, closed] = await formerOf({}).close(signal)
    expect(failed?.problem).toMatch(/^cannot run .*\(install it there, .*\); or, .*take it out of .*maps\.json$/)
    expect(closed).toEqual({ name: `exim_list ${inHome('list')}` })
    expect(noted()).toHaveLength(1)
    await formerOf({}).note()
    renameSync(`${script}.away`, script)
    expect(await formerOf({}).close(signal)).toEqual([{ name: `command ${script}` }])
    expect(read('script.input')).toBe('all\nend\n')
    expect(noted()).toEqual([])
  })

  it('may be deleted: that is told, and enough', async () => {
    const tools = await mapTools(home)
    const path = inHome('access')
    await run({ sendmail_access: { enabled: true, path, makemap_command: tools.makemapCommand } })
    await formerOf({ sendmail_access: { enabled: true, path, makemap_command: ['/nowhere/makemap', '{map}'] } }).note()
    await formerOf({}).note()
    const [result] = await formerOf({}).close(signal)
    expect(result?.problem).toContain(`; or delete ${path} and ${path}.db: it is forgotten then`)
    for (const name of ['access', 'access.db']) rmSync(inHome(name))
    expect(await formerOf({}).close(signal)).toEqual([])
    expect(noted()).toEqual([])
  })

  it('is no longer former once it is configured again', async () => {
    const maps = [{ format: 'exim_list', path: inHome('list') }]
    await run({ maps })
    await formerOf({}).note()
    expect(await formerOf({ maps }).close(signal)).toEqual([])
    expect(read('list')).toContain(CLIENT)
    expect(noted()).toHaveLength(1)
  })

  it('of a file that is damaged nothing is closed and nothing is noted; it is read again once it was mended', async () => {
    await run({ maps: [{ format: 'exim_list', path: inHome('list') }] })
    writeFileSync(keptMapsPath(state), '{')
    const former = formerOf({})
    await expect(former.close(signal)).rejects.toThrow('it is not JSON')
    expect(readFileSync(keptMapsPath(state), 'utf8')).toBe('{')
    rmSync(keptMapsPath(state))
    expect(await former.close(signal)).toEqual([])
  })
})

asRoot('root runs nothing and replaces nothing on the word of another user, but notes for that user', async () => {
  const script = program('script')
  chownSync(state, 12_345, 12_345)
  const maps = [{ format: 'exim_list', path: inHome('list') }]
  await run({ maps })
  const programs = [
    { format: 'command', command: [script] },
    { format: 'postfix', path: inHome('old'), command: [program('postmap')] },
  ]
  program('postconf')
  writeFileSync(inHome('old.lmdb'), 'a table')
  await formerOf({ maps: [...maps, ...programs] }).note()
  const results = await formerOf({}).close(signal)
  expect(results.map(({ problem }) => problem)).toEqual([
    expect.stringContaining('on the word of user 12345'),
    expect.stringContaining('run popauthd as that user'),
    expect.stringContaining('run popauthd as that user'),
  ])
  expect(read('list')).toContain(CLIENT)
  for (const name of ['script', 'postmap', 'postconf']) expect(existsSync(inHome(`${name}.input`))).toBe(false)
  expect(noted()).toHaveLength(3)
  expect(statSync(keptMapsPath(state)).uid).toBe(12_345)
  // What asks for nothing to be done is forgotten all the same.
  for (const name of ['list', 'old.lmdb']) rmSync(inHome(name))
  expect(await formerOf({ maps: [{ ...programs[0], gather_milliseconds: 5 }] }).close(signal)).toEqual([])
  expect(noted()).toHaveLength(1)
})

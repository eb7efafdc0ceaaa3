// The table commands without a daemon: on a real table, with a real map file made by makemap (or its stand-in).
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MapTools, mapTools } from '../../test/support/makemap.ts'
import type { ListEntry, WhyAnswer } from '../admin/api-types.ts'
import { takeStateLock } from '../lib/state-lock.ts'
import { callCli, NOW_MS } from './fake-process.ts'

const MINUTE_MS = 60_000
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

let home: string
let access: string
let config: string
let tools: MapTools

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'popauthd-offline-'))
  access = join(home, 'mail', 'access')
  await mkdir(join(home, 'mail'))
  tools = await mapTools(home)
  config = await configure('until_expiry')
})

afterEach(() => rm(home, { recursive: true }))

async function configure(whenStopped: string): Promise<string> {
  const path = join(home, `${whenStopped}.yaml`)
  const { makemapCommand, editmapCommand } = tools
  const lines = [
    `state_directory: ${join(home, 'state')}`,
    `when_stopped: ${whenStopped}`,
    `control: { socket: ${join(home, 'control.sock')} }`,
    'admission: { always: [192.0.2.0/24], never_defaults: false, users_per_address: 2 }',
    `sendmail_access: ${JSON.stringify({ enabled: true, path: access, makemap_command: makemapCommand, editmap_command: editmapCommand })}`,
  ]
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** Runs a command `afterMs` after the clock's beginning. */
function popauthd(args: readonly string[], afterMs = 0) {
  return callCli(['--config', config, ...args], { nowMs: NOW_MS + afterMs })
}

async function json<T>(args: readonly string[], afterMs = 0): Promise<T> {
  return JSON.parse((await popauthd([...args, '--json'], afterMs)).stdout) as T
}

/** A line of access.info: the login's own time, and when the daemon of 2002 read it. */
function infoLine(user: string, ip: string, atMs: number, readMs = atMs): string {
  const at = new Date(atMs)
  const date = `${MONTHS[at.getUTCMonth()]} ${String(at.getUTCDate()).padStart(2)} ${at.toISOString().slice(11, 19)}`
  return `${date}\t${user}\t${ip}\t${Math.floor(readMs / 1000)}\n`
}

async function importLogins(...lines: string[]) {
  const path = join(home, 'access.info.2002')
  await writeFile(path, lines.join(''))
  return popauthd(['import', path, '--timezone', 'UTC'])
}

/** What the map says of addresses, without the network that is always open. */
async function mapped(): Promise<string[]> {
  return (await tools.dump(access)).filter((line) => !line.startsWith('connect:192.0.2'))
}

describe('import', () => {
  it('says what it took over also where the map cannot follow', async () => {
    const text = await readFile(config, 'utf8')
    await writeFile(config, text.replace(/"makemap_command":\[[^\]]*\]/, '"makemap_command":["/nonexistent/makemap"]'))
    const { code, stdout, stderr } = await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    expect(stdout).toBe('1 taken over, 0 too old, 0 refused, 0 lines not understood\n')
    expect(stderr).toMatch(/it is in the table, but the map sendmail_access could not follow: .*\/nonexistent\/makemap/)
    expect(code).toBe(3)
  })

  it('names the entries of a hand-made access that it leaves out, and the mend', async () => {
    await writeFile(access, 'spam.example REJECT\n198.51.100.7\tRELAY\n')
    const { stderr } = await importLogins(infoLine('alice', '198.51.100.7', NOW_MS - MINUTE_MS))
    expect(stderr).toMatch(
      /were not taken over.*\n {2}198\.51\.100\.7 RELAY\n {2}put those you want to keep.*access\.static\n/,
    )
  })

  it('goes by the date, not by the time of reading, and through admission', async () => {
    const recent = NOW_MS - 5 * MINUTE_MS
    const { code, stdout } = await importLogins(
      infoLine('alice', '198.51.100.7', recent, NOW_MS),
      infoLine('bob', '198.51.100.8', NOW_MS - 40 * MINUTE_MS, NOW_MS), // read just now, but the login is too old
      infoLine('carol', '198.51.100.9', NOW_MS - 365 * 24 * 60 * MINUTE_MS, NOW_MS - 364 * 24 * 60 * MINUTE_MS),
      'Nov 22 11:59:00 dave 198.51.100.10 no tabs\n',
      'Foo 99 11:59:00\tdave\t198.51.100.10\t1795348800\n',
    )
    expect(stdout).toBe('1 taken over, 2 too old, 0 refused, 2 lines not understood\n')
    expect(code).toBe(0)
    const list = await json<ListEntry[]>(['list'])
    expect(list.map(({ address, users, until }) => ({ address, users, until }))).toEqual([
      { address: '198.51.100.7', users: ['alice'], until: new Date(recent + 30 * MINUTE_MS).toISOString() },
    ])
    expect(await mapped()).toEqual(['connect:198.51.100.7 RELAY'])
  })

  it('says what is no access.info, and which file is', async () => {
    const { code, stdout, stderr } = await importLogins('\u007fELF\u0000\u0001\n', 'two\n')
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(
      /^popauthd: cannot import \S+: it is not an access\.info: none of its 2 lines is .*\n {2}name /,
    )
    const missing = await popauthd(['import', join(home, 'none')])
    expect(missing.code).toBe(3)
    expect(missing.stderr).toMatch(/cannot read \S+none: no such file or directory\n {2}name the access\.info/)
    expect((await importLogins()).stdout).toBe('0 taken over, 0 too old, 0 refused, 0 lines not understood\n')
    const one = await importLogins('two\n', infoLine('alice', '198.51.100.7', NOW_MS))
    expect(one.stdout).toBe('1 taken over, 0 too old, 0 refused, 1 line not understood\n')
  })

  it('changes nothing the second time, and tells what was refused', async () => {
    const lines = ['alice', 'bob', 'carol'].map((user) => infoLine(user, '198.51.100.7', NOW_MS))
    const first = await importLogins(...lines)
    expect(first.stdout).toMatch(/^0 taken over, 0 too old, 3 refused/)
    expect(first.stdout).toMatch(/refused: 198\.51\.100\.7 \(carol\): more than 2 users/)
    expect(await json<ListEntry[]>(['list'])).toEqual([])
    await importLogins(...lines)
    expect(await json<ListEntry[]>(['list'])).toEqual([])
  })
})

describe('decisions', () => {
  it('reach the map at once, and why tells them', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS), infoLine('bob', '198.51.100.7', NOW_MS))
    expect((await popauthd(['block', '198.51.100.7', '--for', '24h'])).code).toBe(0)
    expect(await mapped()).toEqual([])
    const why = await json<WhyAnswer>(['why', '198.51.100.7'])
    expect(why).toMatchObject({
      authorized: false,
      reason: 'blocked',
      decisions: [{ kind: 'block', address: '198.51.100.7' }],
    })
    expect(why.users.map(({ user }) => user).sort()).toEqual(['alice', 'bob'])
    const allowed = await popauthd(['allow', '198.51.100.7'])
    expect(allowed.stdout).toMatch(/taken back: block of 198\.51\.100\.7/)
    expect(await mapped()).toEqual(['connect:198.51.100.7 RELAY'])
  })

  it('allow lasts one window unless told', async () => {
    await popauthd(['allow', '198.51.100.7'])
    await popauthd(['allow', '198.51.100.8', '--for', '1h'])
    expect((await json<ListEntry[]>(['list'])).map(({ secondsLeft }) => secondsLeft)).toEqual([1800, 3600])
    expect((await popauthd(['check', '198.51.100.7'], 30 * MINUTE_MS)).code).toBe(1)
    expect((await popauthd(['check', '198.51.100.8'], 30 * MINUTE_MS)).code).toBe(0)
  })

  it('revoke --user names who else holds the address open, and says that the next login opens again', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS), infoLine('bob', '198.51.100.7', NOW_MS))
    const { stdout } = await popauthd(['revoke', '--user', 'alice'])
    expect(stdout).toMatch(/198\.51\.100\.7 stays open .*held by: bob\n/)
    expect(stdout).toMatch(/The next login opens again.*popauthd block --user NAME/)
    expect((await popauthd(['revoke', '--user', 'bob'])).stdout).toMatch(/may no longer relay: 198\.51\.100\.7/)
    expect(await mapped()).toEqual([])
    expect((await popauthd(['revoke', '--user', 'nobody'])).stdout).toMatch(/no address was open/)
  })

  it('flush closes what logins opened and keeps what was allowed', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    await popauthd(['allow', '198.51.100.8'])
    expect((await popauthd(['flush'])).stdout).toBe('done: 1 address closed, 1 stay open (allowed or always)\n')
    expect(await mapped()).toEqual(['connect:198.51.100.8 RELAY'])
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    expect(await mapped()).toEqual(['connect:198.51.100.8 RELAY'])
  })
})

describe('prune without a daemon', () => {
  it('takes out of table and map what is over, and keeps what is in time', async () => {
    await importLogins(
      infoLine('alice', '198.51.100.7', NOW_MS),
      infoLine('bob', '198.51.100.8', NOW_MS - 10 * MINUTE_MS),
    )
    expect(await mapped()).toHaveLength(2)
    const answer = await json(['prune'], 25 * MINUTE_MS)
    expect(answer).toMatchObject({
      daemon: false,
      removed: 1,
      authorized: 1,
      maps: [{ name: 'sendmail_access', state: 'in_step' }],
    })
    expect(await mapped()).toEqual(['connect:198.51.100.7 RELAY'])
    expect(await popauthd(['prune', '--quiet'], 40 * MINUTE_MS)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await mapped()).toEqual([])
  })

  it('makes nothing on a host where popauthd was never used, and says so', async () => {
    const before = (await readdir(home, { recursive: true })).sort()
    const { code, stdout, stderr } = await popauthd(['prune'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^nothing to do: there is no state directory .*\/state, and no map\n$/)
    expect(await popauthd(['prune', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await json(['prune'])).toMatchObject({ daemon: false, removed: 0, maps: [] })
    for (const reading of [['list'], ['check', '198.51.100.7'], ['why', '198.51.100.7'], ['status']]) {
      expect((await popauthd(reading)).code).toBe(3)
    }
    expect((await readdir(home, { recursive: true })).sort()).toEqual(before)
  })

  it('closes a map that outlived its state directory', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    await rm(join(home, 'state'), { recursive: true })
    expect(await json(['prune'])).toMatchObject({ authorized: 0, maps: [{ state: 'in_step' }] })
    expect(await mapped()).toEqual([])
  })

  it('closes a map that is no longer configured, and forgets it', async () => {
    const old = join(home, 'old-list')
    const text = await readFile(config, 'utf8')
    await writeFile(config, `${text}maps: [{ format: exim_list, path: ${old} }]\n`)
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    expect(await readFile(old, 'latin1')).toContain('198.51.100.7')
    await writeFile(config, text)
    const { stdout, code } = await popauthd(['prune'])
    expect(stdout).toContain(`exim_list ${old} (no longer configured): closed, static entries only`)
    expect(code).toBe(0)
    expect(await readFile(old, 'latin1')).not.toContain('198.51.100.7')
    expect(await readFile(access, 'latin1')).toContain('198.51.100.7')
    expect((await popauthd(['prune'])).stdout).not.toContain('no longer configured')
  })

  it('with `when_stopped: close` leaves static entries only', async () => {
    await writeFile(`${access}.static`, 'Connect:203.0.113.5 REJECT\n')
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    config = await configure('close')
    expect(await json(['prune'])).toMatchObject({ maps: [{ state: 'closed' }] })
    expect(await tools.dump(access)).toEqual(['connect:203.0.113.5 REJECT'])
  })

  it('closes the map where the table is damaged, says so, and ends with 3', async () => {
    await writeFile(`${access}.static`, 'Connect:203.0.113.5 REJECT\n')
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    await writeFile(join(home, 'state', 'table.mdb'), 'garbage')
    const { code, stderr } = await popauthd(['prune', '--quiet'])
    expect(code).toBe(3)
    expect(stderr).toMatch(/cannot use the table/)
    expect(await tools.dump(access)).toEqual(['connect:203.0.113.5 REJECT'])
  })

  it('leaves everything alone where another process holds the state', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    const before = await readFile(access, 'utf8')
    using _lock = takeStateLock(join(home, 'state'))
    const { code, stderr } = await popauthd(['prune', '--quiet'], 60 * MINUTE_MS)
    expect(code).toBe(3)
    expect(stderr).toMatch(/another popauthd \(PID \d+\) uses/)
    expect(await readFile(access, 'utf8')).toBe(before)
  })

  it('tells a map that cannot be built, and ends with 3', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    const text = await readFile(config, 'utf8')
    await writeFile(config, text.replace(/"makemap_command":\[[^\]]*\]/, '"makemap_command":["/nonexistent/makemap"]'))
    const { code, stderr } = await popauthd(['prune'], 60 * MINUTE_MS)
    expect(stderr).toMatch(/sendmail_access: .*\/nonexistent\/makemap/)
    expect(code).toBe(3)
  })
})

describe('rebuild', () => {
  const table = () => join(home, 'state', 'table.mdb')

  it('sets the table aside, keeps the decisions, and says what comes next', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    await popauthd(['block', '203.0.113.9'])
    await writeFile(table(), 'garbage')
    const { code, stdout } = await popauthd(['rebuild'])
    expect(code).toBe(0)
    expect(stdout).toBe(
      `${table()} is ${table()}.set-aside now: delete it when all is well\n` +
        'start popauthd: it makes the table of the logs of the last 30 min; 1 decision stays in force\n',
    )
    expect(await readFile(`${table()}.set-aside`, 'utf8')).toBe('garbage')
    expect(await readdir(join(home, 'state'))).not.toContain('table.mdb')
    expect(await json(['rebuild'])).toEqual({ table: table(), keptAs: null, decisions: 1 })
  })

  it('has nothing to do where nothing was ever set up', async () => {
    expect(await json(['rebuild'])).toEqual({ table: table(), keptAs: null, decisions: 0 })
    expect((await popauthd(['rebuild'])).stdout).toContain('there is no table')
    await expect(readdir(join(home, 'state'))).rejects.toThrow('ENOENT')
  })

  it('touches nothing while a daemon uses it, or where the decisions cannot be read', async () => {
    await importLogins(infoLine('alice', '198.51.100.7', NOW_MS))
    const before = await readFile(table())
    {
      using _lock = takeStateLock(join(home, 'state'))
      const { code, stderr } = await popauthd(['rebuild'])
      expect(code).toBe(3)
      expect(stderr).toMatch(/another popauthd \(PID \d+\) uses/)
    }
    await writeFile(join(home, 'state', 'decisions.json'), '{')
    const { code, stderr } = await popauthd(['rebuild'])
    expect(code).toBe(3)
    expect(stderr).toContain('decisions.json')
    expect((await readFile(table())).equals(before)).toBe(true)
  })
})

// Coming from the POPauthd of 2002, and changing the configuration while it runs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Popauthd, qpopperLine, syslogDate, TestLog } from '../../support/popauthd.ts'

const WINDOW_SECONDS = 3600

interface Entry {
  readonly address: string
  readonly until: string
}

let directory: string
let popauthd: Popauthd
let log: TestLog

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-'))
  log = new TestLog(join(directory, 'mail.log'))
  await log.write()
  popauthd = new Popauthd({ directory, logs: [log.path], config: { window_seconds: WINDOW_SECONDS } })
  await popauthd.configure()
})
afterEach(async () => {
  await popauthd[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('import of an access.info', () => {
  const nowMs = Math.floor(Date.now() / 1000) * 1000
  // The old daemon was restarted each hour, read the log again and renewed the Unix time of everybody.
  const readSeconds = nowMs / 1000
  const entry = (ageSeconds: number, user: string, address: string) =>
    `${syslogDate(nowMs - ageSeconds * 1000)}\t${user}\t${address}\t${readSeconds}\n`
  const info = [
    entry(600, 'alice', '198.51.100.1'),
    entry(1200, 'bob', '198.51.100.2'),
    entry(1800, 'bob', '198.51.100.2'),
    entry(WINDOW_SECONDS + 10, 'old', '198.51.100.3'),
    entry(300 * 86_400, 'last-year', '198.51.100.4'),
    entry(60, 'proxy', '127.0.0.1'),
    entry(60, 'forbidden', '192.0.2.99'),
    'not a line of it\n',
    `${syslogDate(nowMs)}\teve\t198.51.100.5; reboot\t${readSeconds}\n`,
  ].join('')

  it.each(['with', 'without'])('%s a daemon: by its dates, through admission, twice the same', async (mode) => {
    const path = join(directory, 'access.info')
    await writeFile(path, info)
    await popauthd.configure({ admission: { never: ['192.0.2.0/24'] } })
    if (mode === 'with') await popauthd.start()
    for (let i = 0; i < 2; i++) {
      const answer = await popauthd.ask<Record<string, unknown>>('import', path, '--timezone', 'UTC')
      expect(answer).toMatchObject({ unreadable: 2, stale: 2 })
      expect((answer.refused as { address: string }[]).map(({ address }) => address).sort()).toEqual([
        '127.0.0.1',
        '192.0.2.99',
      ])
      const untils = (await popauthd.ask<Entry[]>('list')).map(({ address, until }) => [address, Date.parse(until)])
      expect(untils).toEqual([
        ['198.51.100.2', nowMs + (WINDOW_SECONDS - 1200) * 1000],
        ['198.51.100.1', nowMs + (WINDOW_SECONDS - 600) * 1000],
      ])
    }
  })

  it('of a file that is not there says so', async () => {
    const path = join(directory, 'none')
    const { code, stderr } = await popauthd.cli('import', path)
    expect(code).toBe(3)
    expect(stderr).toContain(`${path}: no such file or directory`)
  })
})

describe('SIGHUP', () => {
  it('takes on a good file: a shorter window closes at once, a never network too', async () => {
    await popauthd.start()
    await log.write(qpopperLine('alice', '198.51.100.1', 1000), qpopperLine('bob', '198.51.100.2', 10))
    await log.write(qpopperLine('carol', '203.0.113.3', 10))
    await popauthd.event('authorization granted', { ip: '203.0.113.3' })
    await popauthd.configure({ window_seconds: 600, admission: { never: ['203.0.113.0/24'] } })
    popauthd.signal('SIGHUP')
    await popauthd.event('configuration reloaded')
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.2'])
    await popauthd.event('authorization ended', { ip: '198.51.100.1' })
    await popauthd.event('authorization ended', { ip: '203.0.113.3', reason: 'never' })
  })

  it('keeps the old configuration when the new one is bad, and says every problem', async () => {
    await popauthd.start()
    await log.write(qpopperLine('alice', '198.51.100.1', 1000))
    await popauthd.event('authorization granted', { ip: '198.51.100.1' })
    const bad = { window_seconds: 600, admision: {}, when_stopped: 'never' }
    await writeFile(popauthd.configPath, JSON.stringify(bad, null, 2))
    popauthd.signal('SIGHUP')
    const { problem, level } = await popauthd.event('new configuration refused, the old one stays in force')
    expect(level).toBe('error')
    expect(problem).toMatch(/admision[\s\S]*admission/)
    expect(problem).toMatch(/when_stopped/)
    const check = await popauthd.cli('config', 'check')
    expect(check.code).toBe(2)
    await popauthd.configure()
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1'])
  })

  it('tells which options wait for a restart, and they do not half take effect', async () => {
    await popauthd.start()
    await popauthd.configure({ socketmap: { mode: '0600' }, window_seconds: 1200 })
    popauthd.signal('SIGHUP')
    const told = await popauthd.event('these options take effect at the next start')
    expect(told.options).toEqual(['socketmap.mode'])
    await log.write(qpopperLine('alice', '198.51.100.1', 1300), qpopperLine('bob', '198.51.100.2', 1100))
    await popauthd.event('authorization granted', { ip: '198.51.100.2' })
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.2'])
  })
})

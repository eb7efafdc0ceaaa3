/** The daemon as a whole, in this process, where a test needs to set its clock. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { waitFor } from '../test/support/wait-for.ts'
import type { ServerFact } from './admin/api-types.ts'
import { ControlClient } from './admin/control-client.ts'
import { type LoadedConfig, loadConfig } from './config/load.ts'
import { runDaemon } from './daemon.ts'

const told = vi.hoisted(() => [] as { msg: string; level: string; detail?: string }[])
vi.mock('./log.ts', async (original) => {
  const { createLogger } = await original<typeof import('./log.ts')>()
  return {
    createLogger: () =>
      createLogger({ level: 'info', format: 'json' }, { write: (line) => told.push(JSON.parse(line)) }),
  }
})

const START = Date.parse('2026-11-22T14:00:00Z')
let directory: string
let logPath: string
let socketPath: string
let stop: AbortController
let running: Promise<void>
/** As a SIGHUP does. */
let hangUp: () => void
/** What is configured besides the log and the sockets. */
let options: Readonly<Record<string, unknown>>
/** The configuration that it finds. */
let reload: () => Promise<LoadedConfig>

beforeEach(() => {
  // The clock alone: timers and sockets stay real.
  vi.useFakeTimers({ toFake: ['Date'], now: START })
  directory = mkdtempSync(join(tmpdir(), 'popauthd-daemon-'))
  logPath = join(directory, 'mail.log')
  socketPath = join(directory, 'control.sock')
  told.length = 0
  options = {}
  write(line('user=<alice>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, TLS'))
  start()
})

afterEach(async () => {
  await end()
  vi.useRealTimers()
  rmSync(directory, { recursive: true })
})

function start(): void {
  stop = new AbortController()
  running = runDaemon(configured(), {
    signal: stop.signal,
    onReload: (listener) => {
      hangUp = listener
      return () => {}
    },
    reload: () => reload(),
    warnings: [],
    readStdin: false,
    sockets: new Map(),
    onReady: () => {},
  })
  running.catch(() => {}) // `end` tells it
}

function configured(windowSeconds = 1800): LoadedConfig {
  return loadConfig({
    env: {},
    overrides: {
      state_directory: join(directory, 'state'),
      sources: [{ file: logPath, timezone: 'UTC' }],
      control: { socket: socketPath },
      socketmap: { enabled: false },
      window_seconds: windowSeconds,
      ...options,
    },
  })
}

/** A file's text; none where there is no such file. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

async function end(): Promise<void> {
  stop.abort('the test')
  await running
}

function line(rest: string): string {
  return `${new Date().toISOString().slice(0, 19)}+00:00 mx1 dovecot: imap-login: Login: ${rest}`
}

function write(...lines: readonly string[]): void {
  appendFileSync(logPath, lines.map((one) => `${one}\n`).join(''))
}

/** What `status` says of the first server, once `isThere`. */
async function server(isThere: (fact: ServerFact) => boolean): Promise<ServerFact> {
  const client = new ControlClient(socketPath)
  return await waitFor('the lines in the status', async () => {
    const status = await client.status().catch(() => undefined)
    const fact = status?.sources[0]?.servers?.[0]
    return fact !== undefined && isThere(fact) ? fact : undefined
  })
}

/** Lines of a new version that no grammar knows, a minute apart. */
async function failMinutely(count: number, before = 0): Promise<ServerFact> {
  for (let n = before + 1; n <= before + count; n++) {
    write(line(`user=<alice>, from=198.51.100.7, n=${n}`))
    await server(({ rejected }) => rejected === n)
    vi.setSystemTime(Date.now() + 60_000)
  }
  return await server(() => true)
}

const warnings = () => told.filter(({ msg }) => msg === 'logins no longer recognized')

it('warns once where a server changes its log format, also over a restart, and takes it back with the next login', async () => {
  await server(({ logins }) => logins === 1)
  expect((await failMinutely(6)).drift).toBeUndefined()
  await end()
  start()
  const fact = await failMinutely(8, 6)
  expect(fact).toMatchObject({ server: 'dovecot', logins: 1, rejected: 14, drift: { kind: 'drift', lines: 14 } })
  expect(fact.drift?.since).toBe('2026-11-22T14:00:00.000Z')
  expect(fact.recent.map(({ line }) => /n=\d+$/.exec(line)?.[0])).toEqual(['n=14', 'n=13', 'n=12', 'n=11', 'n=10'])
  expect(warnings()).toMatchObject([{ level: 'warn', detail: expect.stringContaining('did its log format change?') }])
  write(line('user=<bob>, method=PLAIN, rip=198.51.100.8, lip=192.0.2.25, TLS'))
  expect((await server(({ logins }) => logins === 2)).drift).toBeUndefined()
  expect(warnings()).toHaveLength(1)
}, 30_000)

it('counts the ends of sessions, which open and close nothing', async () => {
  await server(({ logins }) => logins === 1)
  const client = new ControlClient(socketPath)
  // It is counted when it is read, before it is on disk.
  const before = await waitFor('the login in the table', async () => {
    const { table } = await client.status()
    return table.addresses === 1 ? table : undefined
  })
  write(`${line('').split(' imap-login')[0]} imap(alice)<314><b4J/pt1g>: Disconnected: Logged out in=9 out=470`)
  await server(({ logouts }) => logouts === 1)
  const { counters, table } = await client.status()
  expect(counters.logouts_recognized_total).toBe(1)
  expect(table).toEqual(before)
})

it('counts logins that are ahead of the clock, for doctor to tell', async () => {
  await server(({ logins }) => logins === 1)
  const ahead = new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)
  write(
    `${ahead}+00:00 mx1 dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=198.51.100.8, lip=192.0.2.25, TLS`,
  )
  // It is counted when it is judged, which is after it was read.
  const counters = await waitFor('the refusal', async () => {
    const status = await new ControlClient(socketPath).status()
    return 'logins_refused_total' in status.counters ? status.counters : undefined
  })
  expect(counters).toMatchObject({ logins_refused_total: 1, logins_ahead_of_clock_total: 1 })
})

it('ends with the configuration of the last SIGHUP, where the one before takes longer to read', async () => {
  await server(({ logins }) => logins === 1)
  let release = () => {}
  const slow = new Promise<void>((resolve) => {
    release = resolve
  })
  reload = async () => {
    reload = async () => configured(1200)
    await slow
    return configured(600)
  }
  hangUp()
  hangUp()
  // The second has time to get ahead of the first.
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  release()
  const reloads = () => told.filter(({ msg }) => msg === 'configuration reloaded').length
  await waitFor('both reloads', async () => (reloads() === 2 ? true : undefined))
  expect((await new ControlClient(socketPath).status()).windowSeconds).toBe(1200)
})

it('closes maps that have left the configuration, and tells of the one that it cannot close until it can', async () => {
  await end()
  const [list, hosts, mark] = ['list', 'hosts', 'mark'].map((name) => join(directory, name)) as [string, string, string]
  const script = join(directory, 'reread')
  writeFileSync(script, `#!/bin/sh\necho >> ${mark}\n`, { mode: 0o755 })
  const maps = [
    { format: 'exim_list', path: list },
    { format: 'opensmtpd', path: hosts, command: [script] },
  ]
  options = { maps, admission: { always: ['203.0.113.0/24'] } }
  start()
  const holds = (path: string) => waitFor('the client', () => read(path).includes('198.51.100.7') || undefined)
  await Promise.all([holds(list), holds(hosts)])
  await end()
  rmSync(script)
  options = { admission: { always: ['203.0.113.0/24'] } }
  start()
  const client = new ControlClient(socketPath)
  const former = await waitFor('the former map in the status', async () =>
    (await client.status().catch(() => undefined))?.publishers.find(({ state }) => state === 'failing'),
  )
  expect(former).toMatchObject({ name: 'maps no longer configured', problem: expect.stringContaining(hosts) })
  expect(former.problem).toContain('correct `command` of the map')
  expect(former.problem).not.toContain(list)
  expect([read(list), read(hosts)].join('')).not.toMatch(/^[^#].*\d/m)
  const notices = () => told.filter(({ msg }) => msg === 'a map that is no longer configured was closed')
  expect(notices()).toMatchObject([{ level: 'warn', map: `exim_list ${list}` }])
  writeFileSync(script, `#!/bin/sh\necho >> ${mark}\n`, { mode: 0o755 })
  reload = async () => configured()
  hangUp()
  await waitFor('the status without it', async () =>
    (await client.status()).publishers.length === 0 ? true : undefined,
  )
  expect(notices()).toHaveLength(2)
  expect(read(join(directory, 'state', 'maps.json'))).toContain('"maps": []')
}, 30_000)

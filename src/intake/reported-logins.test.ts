/** Logins without a line, beside those of a log, in one real table: each counts once. */
import { beforeEach, describe, expect, it } from 'vitest'
import { basePolicy, clock, ip, reopen, table, WINDOW } from '../../test/support/table-of-test.ts'
import type { TableChange } from '../core/authorization.ts'
import type { Login } from '../core/login.ts'
import { Events } from '../events.ts'
import { createLogger } from '../log.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Source, SourceChunk } from '../sources/source.ts'
import { Intake } from './intake.ts'

const START = Date.parse('2026-11-22T16:20:05.700Z')
const ADDRESS = ip('198.51.100.7')
const policy = { ...basePolicy, usersPerAddress: 1 }

let changes: TableChange[]

beforeEach(async () => {
  clock.set(START)
  changes = []
  await reopen(policy)
})

const reported = (changed: Partial<Login> = {}): SourceChunk => {
  const login: Login = { user: 'alice', address: ADDRESS, service: 'pop3', server: 'dovecot', atMs: START, ...changed }
  return chunk({ logins: [login], position: { v: 1 }, origin: 'login reports' })
}

/** As syslog wrote it: the time in whole seconds. */
const logged = (user = 'alice') =>
  chunk({
    bytes: Buffer.from(
      `2026-11-22T16:20:05+00:00 mail dovecot: pop3-login: Login: user=<${user}>, method=PLAIN, rip=${ADDRESS}, lip=192.0.2.25, mpid=1, session=<a>\n`,
    ),
  })

function chunk(parts: Partial<SourceChunk>): SourceChunk {
  const rest = { bytes: Buffer.alloc(0), format: 'lines', position: { offset: 1 }, origin: 'mail.log' } as const
  return { ...rest, caughtUp: true, newestMs: START, ...parts }
}

/** Runs one intake over the chunk, as a source that yields it and ends. */
async function take(id: string, ...chunks: readonly SourceChunk[]): Promise<Events> {
  const source: Source = {
    id,
    async *chunks() {
      yield* chunks
    },
    async [Symbol.asyncDispose]() {},
  }
  const events = new Events(createLogger({ level: 'error', format: 'json' }, { write: () => {} }), clock)
  const intake = new Intake({
    source,
    scanner: new LoginScanner({ parsers, timezone: 'UTC' }),
    servers: ['dovecot'],
    timezone: 'UTC',
    table,
    events,
    clock,
    onChanges: (more) => void changes.push(...more),
    onCaughtUp: () => {},
  })
  await intake.run(new AbortController().signal)
  return events
}

describe('a reported login', () => {
  it('is committed with the position of its source, from the first on', async () => {
    await take('dovecot_reports:x', chunk({ logins: [], position: { v: 1 } }), reported())
    expect(table.lookup(ADDRESS)).toMatchObject({ authorized: true, untilMs: START + WINDOW })
    expect(table.position('dovecot_reports:x')).toMatchObject({ source: { v: 1 } })
    expect(changes).toMatchObject([{ kind: 'granted', address: ADDRESS, user: 'alice' }])
  })

  it.each([
    ['far ahead of the clock', 5 * 60_000 + 1, 'logins_refused_total'],
    ['older than a window', -WINDOW, 'logins_stale_total'],
  ] as const)('opens nothing where it is dated %s', async (_name, offsetMs, counter) => {
    const events = await take('dovecot_reports:x', reported({ atMs: START + offsetMs }))
    expect(table.lookup(ADDRESS).authorized).toBe(false)
    expect(events.counters.get(counter)).toBe(1)
    expect(changes).toEqual([])
  })

  it.each(['line, report', 'report, line', 'report, line, report, line'])(
    'is no other login than that of its line: %s',
    async (order) => {
      for (const one of order.split(', '))
        await (one === 'line' ? take('file:mail.log', logged()) : take('dovecot_reports:x', reported()))
      expect(table.lookup(ADDRESS).untilMs).toBe(START + WINDOW)
      expect(table.record(ADDRESS)?.users).toMatchObject([{ user: 'alice', lastMs: START, server: 'dovecot' }])
      expect(changes.filter(({ kind }) => kind === 'granted')).toHaveLength(1)
      expect(changes.filter(({ kind }) => kind === 'ended')).toHaveLength(0)
    },
  )

  it('ends with the word of its source, in the order of the chunks', async () => {
    const out = () => chunk({ ended: [{ address: ADDRESS, server: 'whoson', atMs: START }], position: { v: 1 } })
    const told = () => reported({ server: 'whoson' })
    const events = await take('whoson:x', told(), out(), told(), out())
    expect(table.lookup(ADDRESS)).toMatchObject({ authorized: false, reason: 'unknown' })
    expect(changes.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual([
      'granted login',
      'ended logged_out',
      'granted login',
      'ended logged_out',
    ])
    expect(events.counters.get('logouts_recognized_total')).toBe(2)
    await take('whoson:x', out(), told())
    expect(table.lookup(ADDRESS).authorized).toBe(true)
  })

  it('of the same user in other letters is one too: the limit of users is not reached', async () => {
    await take('file:mail.log', logged('Alice'))
    await take('dovecot_reports:x', reported())
    expect(table.lookup(ADDRESS).authorized).toBe(true)
    await take('dovecot_reports:x', reported({ user: 'bob' }))
    expect(table.lookup(ADDRESS).reason).toBe('too_many_users')
  })
})

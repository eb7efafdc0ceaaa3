import { describe, expect, it, vi } from 'vitest'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { Login } from '../core/login.ts'
import { TableError } from '../errors.ts'
import { Events } from '../events.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLogger } from '../log.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Source, SourceChunk } from '../sources/source.ts'
import type { CommitInput, CommitResult } from '../table/results.ts'
import { IDLE_POSITION_MS, Intake, LONGEST_FIRST_MS } from './intake.ts'

const START = Date.parse('2026-11-22T16:20:05Z')
const login = (user: string, second: number) =>
  `2026-11-22T16:20:0${second}+00:00 mail dovecot: pop3-login: Login: user=<${user}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=1, session=<a>\n`
const NOISE = '2026-11-22T16:20:03+00:00 mail sshd[1]: Server listening on :: port 22.\n'

function chunk(text: string, offset: number, caughtUp = false): SourceChunk {
  const bytes = Buffer.from(text)
  return { bytes, format: 'lines', position: { offset }, caughtUp, origin: 'test.log', newestMs: START }
}

/** A source that yields `chunks` and then ends; `before` runs ahead of each. */
function sourceOf(chunks: readonly SourceChunk[], before: (index: number) => unknown = () => {}): Source {
  return {
    id: 'file:test.log',
    async *chunks() {
      for (const [index, one] of chunks.entries()) {
        before(index)
        yield one
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

class FakeTable {
  readonly commits: CommitInput[] = []
  failures = 0
  /** A log that was read before; undefined for one that is read for the first time. */
  kept: unknown = { source: { offset: 0 }, scanner: null }
  readonly policy = { windowMs: 30 * 60_000 } as AdmissionPolicy

  position(): unknown {
    return this.kept
  }

  async commit(input: CommitInput): Promise<CommitResult> {
    if (this.failures-- > 0) throw new TableError('cannot write the table: no space left on the device')
    this.commits.push(input)
    return { changes: [], outcomes: input.logins.map((one: Login) => ({ login: one, kind: 'accepted' as const })) }
  }
}

function setUp(source: Source) {
  const clock = new ManualClock(START)
  const table = new FakeTable()
  const onCaughtUp = vi.fn()
  const intake = new Intake({
    source,
    scanner: new LoginScanner({ parsers, timezone: 'UTC' }),
    table,
    events: new Events(createLogger({ level: 'fatal' as 'error', format: 'json' })),
    clock,
    onChanges: () => {},
    onCaughtUp,
  })
  return { clock, table, intake, onCaughtUp }
}

const usersOf = (table: FakeTable) => table.commits.map(({ logins }) => logins.map(({ user }) => user))
const offsetsOf = (table: FakeTable) =>
  table.commits.map(({ position }) => (position as { value: { source: { offset: number } } }).value.source.offset)

it('commits the logins of a chunk together with the position behind it', async () => {
  const { table, intake, onCaughtUp } = setUp(sourceOf([chunk(login('alice', 1) + login('bob', 2), 200, true)]))
  await intake.run(new AbortController().signal)
  expect(usersOf(table)).toEqual([['alice', 'bob']])
  expect(offsetsOf(table)).toEqual([200])
  expect(onCaughtUp).toHaveBeenCalledOnce()
})

it('keeps the position of other lines back for a while, and writes it at the end', async () => {
  const chunks = [chunk(login('alice', 1), 100), chunk(NOISE, 200), chunk(NOISE, 300), chunk(NOISE, 400)]
  const { clock, table, intake } = setUp(
    sourceOf(chunks, (index) => {
      if (index === 2) clock.advance(IDLE_POSITION_MS)
    }),
  )
  await intake.run(new AbortController().signal)
  expect(offsetsOf(table)).toEqual([100, 300, 400])
  expect(usersOf(table)).toEqual([['alice'], [], []])
})

it('holds on to a chunk until the table takes it', async () => {
  const { clock, table, intake } = setUp(sourceOf([chunk(login('alice', 1), 100), chunk(login('bob', 2), 200)]))
  table.failures = 3
  const running = intake.run(new AbortController().signal)
  while (table.failures > 0) {
    await new Promise((resolve) => setImmediate(resolve))
    expect(intake.status.trouble ?? 'no space').toContain('no space')
    clock.advance(1000)
  }
  clock.advance(1000)
  await running
  expect(usersOf(table)).toEqual([['alice'], ['bob']])
  expect(intake.status.trouble).toBeUndefined()
})

it('stops without committing what it cannot commit, and does not claim the position', async () => {
  const stop = new AbortController()
  const { table, intake } = setUp(sourceOf([chunk(login('alice', 1), 100), chunk(login('bob', 2), 200)]))
  table.failures = Number.POSITIVE_INFINITY
  stop.abort()
  await intake.run(stop.signal)
  expect(table.commits).toEqual([])
  expect(intake.status.position).toEqual({ offset: 0 })
})

describe('the first reading of a log', () => {
  const qpopper = (user: string, time: string) =>
    `${time} mail popper[1]: (v4.0.5) POP login by user "${user}" at (h) 198.51.100.7\n`

  async function readFirst(chunks: readonly SourceChunk[], signal = new AbortController().signal) {
    const { table, intake } = setUp(sourceOf(chunks))
    table.kept = undefined
    await intake.run(signal)
    return table
  }

  it('commits what is in time once its end is reached, and after that as it comes', async () => {
    const early = chunk(qpopper('old', 'Nov 22 15:00:00') + qpopper('alice', 'Nov 22 16:19:00'), 100)
    const table = await readFirst([early, chunk(login('bob', 2), 200, true), chunk(login('carol', 3), 300)])
    expect(usersOf(table)).toEqual([['alice', 'bob'], ['carol']])
    expect(offsetsOf(table)).toEqual([200, 300])
  })

  it('opens nobody of the same day of last year in a log that was never rotated', async () => {
    const lastYear = chunk(qpopper('lastyear', 'Nov 22 16:15:00'), 100)
    const between = chunk(qpopper('spring', 'Mar  1 09:00:00'), 200)
    const today = chunk(qpopper('alice', 'Nov 22 16:19:00') + login('bob', 2), 300, true)
    expect(usersOf(await readFirst([lastYear, between, today]))).toEqual([['alice', 'bob']])
  })

  it('drops no line that says its year, however the lines are ordered', async () => {
    const dated = chunk(login('bob', 2), 100)
    const spring = chunk(qpopper('spring', 'Mar  1 09:00:00'), 200, true)
    expect(usersOf(await readFirst([dated, spring]))).toEqual([['bob']])
  })

  it('does not wait for the end of a journal, which dates its entries and may never pause', async () => {
    const entry = JSON.stringify({
      __REALTIME_TIMESTAMP: String(START * 1000),
      SYSLOG_IDENTIFIER: 'popper',
      MESSAGE: '(v4.0.5) POP login by user "alice" at (h) 198.51.100.7',
    })
    const journal: SourceChunk = { ...chunk(`${entry}\n`, 100), format: 'journal-json' }
    const stop = new AbortController()
    const { table, intake } = setUp(sourceOf([journal, journal], (index) => index === 1 && stop.abort()))
    table.kept = undefined
    await intake.run(stop.signal)
    expect(usersOf(table)[0]).toEqual(['alice'])
  })

  it('goes on without the end of a log that never pauses', async () => {
    const stop = new AbortController()
    const chunks = [chunk(login('bob', 2), 100), chunk(login('carol', 3), 200), chunk(NOISE, 300)]
    const { clock, table, intake } = setUp(
      sourceOf(chunks, (index) => {
        if (index === 1) clock.advance(LONGEST_FIRST_MS)
        if (index === 2) stop.abort()
      }),
    )
    table.kept = undefined
    await intake.run(stop.signal)
    expect(usersOf(table)[0]).toEqual(['bob', 'carol'])
  })

  it('commits at the end of a stream, and nothing where it is stopped before', async () => {
    expect(usersOf(await readFirst([chunk(login('bob', 2), 100)]))).toEqual([['bob']])
    expect(usersOf(await readFirst([chunk(login('bob', 2), 100)], AbortSignal.abort()))).toEqual([])
  })
})

it('joins the two lines of a login across a restart between them', async () => {
  const connect = 'Nov 22 16:20:01 mail popa3d[77]: Session from 198.51.100.8\n'
  const passed = 'Nov 22 16:20:02 mail popa3d[77]: Authentication passed for carol\n'
  const first = setUp(sourceOf([chunk(connect, 60)]))
  await first.intake.run(new AbortController().signal)
  const kept = first.table.commits.at(-1)?.position?.value
  const second = setUp(sourceOf([chunk(passed, 130)]))
  second.table.kept = JSON.parse(JSON.stringify(kept))
  await second.intake.run(new AbortController().signal)
  expect(second.table.commits[0]?.logins).toMatchObject([{ user: 'carol', address: '198.51.100.8', server: 'popa3d' }])
})

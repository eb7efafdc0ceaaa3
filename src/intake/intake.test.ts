import { describe, expect, it, vi } from 'vitest'
import { pendingCommit } from '../../test/support/pending-commit.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import type { Login } from '../core/login.ts'
import { TableError } from '../errors.ts'
import { Events } from '../events.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLogger } from '../log.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Source, SourceChunk } from '../sources/source.ts'
import type { CommitInput, CommitResult, PendingCommit } from '../table/results.ts'
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

  beginCommit(input: CommitInput): PendingCommit {
    return pendingCommit(this.#commit(input))
  }

  async #commit(input: CommitInput): Promise<CommitResult> {
    if (this.failures-- > 0) throw new TableError('cannot write the table: no space left on the device')
    this.commits.push(input)
    return { changes: [], outcomes: input.logins.map((one: Login) => ({ login: one, kind: 'accepted' as const })) }
  }
}

function setUp(source: Source) {
  const clock = new ManualClock(START)
  const log: { level: string; msg: string; detail?: string; user?: string }[] = []
  const logger = createLogger({ level: 'debug', format: 'json' }, { write: (line) => log.push(JSON.parse(line)) })
  const events = new Events(logger, clock)
  const table = new FakeTable()
  const onCaughtUp = vi.fn()
  const intake = new Intake({
    source,
    scanner: new LoginScanner({ parsers, timezone: 'UTC', logouts: true }),
    servers: parsers.map(({ id }) => id),
    timezone: 'UTC',
    table,
    events,
    clock,
    onChanges: () => {},
    onCaughtUp,
  })
  return { clock, table, intake, onCaughtUp, events, log }
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

describe('the ends of sessions', () => {
  const logout = (user: string) =>
    `2026-11-22T16:20:09+00:00 mail dovecot: imap(${user})<314><b4J/pt1g>: Disconnected: Logged out in=9 out=470\n`
  const failing = '2026-11-22T16:20:09+00:00 mail imapd: LOGOUT, user=alice, ip=[somewhere], headers=0, body=0\n'

  it('are told and counted, and reach the table no more than other lines do', async () => {
    const chunks = Array.from({ length: 50 }, (_, i) => chunk(logout('alice').repeat(100), 200 + i))
    const { table, intake, events, log } = setUp(sourceOf([chunk(login('alice', 1), 100), ...chunks]))
    await intake.run(new AbortController().signal)
    expect(events.counters.get('logouts_recognized_total')).toBe(5000)
    expect(intake.status.servers).toMatchObject([{ server: 'dovecot', logins: 1, logouts: 5000, rejected: 0 }])
    expect(log.filter(({ msg }) => msg === 'logout')[0]).toMatchObject({ level: 'debug', user: 'alice' })
    expect(usersOf(table)).toEqual([['alice'], []])
  })

  it('are no logins that failed where they are not recognized', async () => {
    const { intake, events } = setUp(sourceOf([chunk(failing, 100)]))
    await intake.run(new AbortController().signal)
    expect(Object.fromEntries(events.counters)).toEqual({ logouts_rejected_total: 1 })
    expect(intake.status.servers).toEqual([])
  })
})

describe('lines that look like logins and are none', () => {
  const strange = login('alice', 5).replace('rip=198.51.100.7', 'rip=somewhere')
  const minutely = (count: number, first: string) => {
    const chunks = [chunk(first, 100), ...Array.from({ length: count }, (_, i) => chunk(strange, 200 + i))]
    const made = setUp(sourceOf(chunks, (index) => index > 1 && made.clock.advance(60_000)))
    return made
  }
  const ofKind = (made: ReturnType<typeof setUp>, msg: string) => made.log.filter((one) => one.msg === msg)

  it('are warned of once where the server used to log in, and shown', async () => {
    const made = minutely(30, login('alice', 1))
    await made.intake.run(new AbortController().signal)
    expect(ofKind(made, 'logins no longer recognized')).toMatchObject([
      {
        level: 'warn',
        source: 'test.log',
        server: 'dovecot',
        lines: 11,
        since: '2026-11-22T16:20:05Z',
        detail: expect.stringMatching(/^dovecot: 11 lines look like logins but none matched since .*popauthd explain/),
      },
    ])
    const [server] = made.intake.status.servers
    expect(server).toMatchObject({ server: 'dovecot', logins: 1, rejected: 30, drift: { kind: 'drift', lines: 30 } })
    expect(server?.recent).toHaveLength(5)
    expect(server?.recent[0]).toMatchObject({ line: strange.trimEnd(), column: strange.indexOf('somewhere') })
  })

  it('are told quietly where it never did', async () => {
    const made = minutely(30, NOISE)
    await made.intake.run(new AbortController().signal)
    expect(ofKind(made, 'logins no longer recognized')).toEqual([])
    expect(ofKind(made, 'logins imitated')).toMatchObject([{ level: 'info', server: 'dovecot', lines: 11 }])
  })

  it('are forgotten by a login, which is told too', async () => {
    const made = setUp(
      sourceOf([chunk(login('alice', 1), 1), ...Array(12).fill(chunk(strange, 2)), chunk(login('bob', 9), 3)], () =>
        made.clock.advance(60_000),
      ),
    )
    await made.intake.run(new AbortController().signal)
    expect(ofKind(made, 'logins recognized again')).toHaveLength(1)
    expect(made.intake.status.servers[0]?.drift).toBeUndefined()
  })

  it('are counted over a restart, in the commit of the position', async () => {
    const first = minutely(8, login('alice', 1))
    await first.intake.run(new AbortController().signal)
    const second = setUp(sourceOf([chunk(strange, 300)]))
    second.table.kept = JSON.parse(JSON.stringify(first.table.commits.at(-1)?.position?.value))
    second.clock.set(first.clock.now() + 5 * 60_000)
    await second.intake.run(new AbortController().signal)
    expect(ofKind(second, 'logins no longer recognized')).toMatchObject([{ lines: 9 }])
    expect(second.intake.status.servers).toMatchObject([{ logins: 1, rejected: 9 }])
  })

  it('never cost a commit of their own', async () => {
    const { table, intake } = setUp(sourceOf(Array.from({ length: 100 }, (_, i) => chunk(strange.repeat(10), i + 1))))
    await intake.run(new AbortController().signal)
    expect(offsetsOf(table)).toEqual([1, 100])
  })
})

/** Lines dated ahead of and behind the clock, through scanner, intake and one real table. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pendingCommit } from '../../test/support/pending-commit.ts'
import { NetworkSet } from '../admission/network-set.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { Events } from '../events.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLogger } from '../log.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import type { Source, SourceChunk } from '../sources/source.ts'
import { AuthorizationTable } from '../table/authorization-table.ts'
import type { CommitInput } from '../table/results.ts'
import { Intake } from './intake.ts'

const START = Date.parse('2026-11-22T16:20:00Z')
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const policy: AdmissionPolicy = {
  windowMs: 30 * MINUTE,
  addressesPerUser: 1000,
  usersPerAddress: 1000,
  maxAddresses: 1000,
  ipv6Prefix: 128,
  never: new NetworkSet([]),
  always: new NetworkSet([]),
  staticVeto: () => undefined,
}

let timezone = 'UTC'
let directory: string
let clock: ManualClock
let table: AuthorizationTable

beforeEach(async () => {
  timezone = 'UTC'
  directory = mkdtempSync(join(tmpdir(), 'popauthd-times-'))
  clock = new ManualClock(START)
  table = await AuthorizationTable.open({ directory, clock, policy })
})
afterEach(async () => {
  await table[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

const local = (atMs: number, user = 'alice') => {
  const [, day = '', month = '', , time = ''] = new Date(atMs).toUTCString().split(/,? /)
  return `${month} ${day} ${time} mail popper[1]: (v4.0.5) POP login by user "${user}" at (h) 198.51.100.7\n`
}
const zoned = (atMs: number, user = 'alice') =>
  `${new Date(atMs).toISOString().slice(0, 19)}+00:00 mail dovecot: pop3-login: Login: user=<${user}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=1, session=<a>\n`

/** Reads each text at its time after START; the first chunk is the end of the backlog. */
async function read(...texts: readonly { readonly afterMs: number; readonly text: string }[]) {
  let committing = 0
  const counted = {
    policy,
    position: (id: string) => table.position(id),
    beginCommit: (input: CommitInput) => {
      committing++
      return pendingCommit(table.commit(input).finally(() => committing--))
    },
  }
  const source: Source = {
    id: 'file:mail.log',
    async *chunks() {
      for (const [offset, { afterMs, text }] of texts.entries()) {
        // A login is judged at the time of its commit, which reading does not wait for.
        while (committing > 0) await new Promise((resolve) => setImmediate(resolve))
        clock.set(START + afterMs)
        const rest = { format: 'lines', position: { offset }, caughtUp: true, origin: 'mail.log' } as const
        yield { ...rest, bytes: Buffer.from(text), newestMs: clock.now() } satisfies SourceChunk
        // Time goes on when what was read is in the table.
        while (intake.status.position?.offset !== offset) await new Promise((resolve) => setImmediate(resolve))
      }
    },
    async [Symbol.asyncDispose]() {},
  }
  const log: { level: string; msg: string; detail?: string }[] = []
  const logger = createLogger({ level: 'info', format: 'json' }, { write: (line) => log.push(JSON.parse(line)) })
  const events = new Events(logger, clock)
  const common = { source, servers: ['dovecot', 'qpopper'], timezone, table: counted, events, clock }
  const scanner = new LoginScanner({ parsers, timezone })
  const intake = new Intake({ ...common, scanner, onChanges: () => {}, onCaughtUp: () => {} })
  await intake.run(new AbortController().signal)
  const loud = log.filter(({ level }) => level === 'warn').map(({ msg, detail }) => `${msg}: ${detail}`)
  return { counters: Object.fromEntries(events.counters), loud, intake }
}

/** One login a minute, each `aheadMs` ahead of the clock. */
const minutely = (count: number, aheadMs: number, line = local) =>
  Array.from({ length: count }, (_, i) => ({
    afterMs: i * MINUTE,
    text: i === 0 ? '' : line(START + i * MINUTE + aheadMs, `user${i}`),
  }))

describe.each([
  ['of RFC 3164', local],
  ['with a zone', zoned],
])('a line %s', (_, line) => {
  it('opens up to five minutes ahead of the clock, by its own time', async () => {
    await read({ afterMs: 0, text: line(START + 5 * MINUTE, 'alice') })
    const record = table.usersOf('198.51.100.7' as never)
    expect(record).toMatchObject([{ user: 'alice', lastMs: START + 5 * MINUTE }])
    expect(table.lookup('198.51.100.7' as never)).toMatchObject({
      authorized: true,
      untilMs: START + 35 * MINUTE,
    })
  })

  it('is refused and counted further ahead, and stays refused when the clock gets there', async () => {
    const { counters, loud } = await read({ afterMs: 0, text: line(START + 5 * MINUTE + 1000) })
    expect(counters).toEqual({
      logins_recognized_total: 1,
      logins_refused_total: 1,
      logins_ahead_of_clock_total: 1,
    })
    expect(loud).toEqual([expect.stringMatching(/^login refused: dated 301 s ahead of the clock/)])
    clock.set(START + 6 * MINUTE)
    expect(table.lookup('198.51.100.7' as never)).toMatchObject({ authorized: false, reason: 'unknown' })
  })
})

describe('a log in another zone', () => {
  it('ahead is told once, with a guess, in place of each login', async () => {
    const { counters, loud, intake } = await read(...minutely(40, 2 * HOUR))
    expect(counters.logins_ahead_of_clock_total).toBe(39)
    expect(loud).toHaveLength(3)
    expect(loud[2]).toMatch(/^log times are wrong: lines are 2 h ahead of the clock, .*\(Europe\/Athens, .*timezone:/)
    expect(intake.status.time).toMatchObject({ kind: 'ahead', offsetMs: 2 * HOUR, cause: 'zone', logins: 39 })
  })

  it('ahead is told at the end of its backlog', async () => {
    const text = Array.from({ length: 100 }, (_, i) => local(START + HOUR + i * MINUTE - 98 * MINUTE)).join('')
    const { loud, intake } = await read({ afterMs: 0, text })
    expect(loud).toEqual([expect.stringMatching(/^log times are wrong: lines are 1 h ahead of the clock/)])
    expect(intake.status.time).toMatchObject({ offsetMs: HOUR })
  })

  it('behind is told: its logins are stale when they come in', async () => {
    const { counters, loud, intake } = await read(...minutely(40, -5 * HOUR))
    expect(counters).toEqual({ logins_recognized_total: 39, logins_stale_total: 39 })
    expect(loud).toEqual([expect.stringMatching(/lines are 5 h behind the clock, .*\(America\/New_York, .*timezone:/)])
    expect(intake.status.time).toMatchObject({ kind: 'behind', offsetMs: 5 * HOUR })
  })

  it('is not to blame where the lines name their zone', async () => {
    const { loud } = await read(...minutely(10, HOUR, zoned))
    expect(loud[2]).toMatch(/^log times are wrong: .* they name their zone, so the clock of this host or/)
  })

  it('is told of no log that is in time', async () => {
    const { counters, loud, intake } = await read(...minutely(40, -2000))
    expect(counters).toEqual({ logins_recognized_total: 39 })
    expect(loud).toEqual([])
    expect(intake.status.time).toBeUndefined()
  })
})

it('of the doubled hour opens by the second reading where the log was at its end after the first', async () => {
  timezone = 'Europe/Berlin'
  const secondMs = Date.parse('2026-10-25T01:30:00Z') - START
  const text = 'Oct 25 02:29:58 mail popper[1]: (v4.0.5) POP login by user "alice" at (h) 198.51.100.7\n'
  const evening = 'Oct 24 18:00:00 mail popper[1]: (v4.0.5) POP login by user "bob" at (h) 198.51.100.8\n'
  const before = [
    { afterMs: secondMs - 9 * HOUR, text: evening },
    { afterMs: secondMs - 10_000, text: '' },
  ]
  await read(...before, { afterMs: secondMs, text })
  expect(table.lookup('198.51.100.7' as never)).toMatchObject({
    authorized: true,
    loginMs: START + secondMs - 2000,
  })
})

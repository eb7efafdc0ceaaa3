import { describe, expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import type { RejectedLine } from '../parsers/scanner.ts'
import { DriftWatch, FEWEST_LINES, SHORTEST_RUN_MS, TELL_EVERY_MS } from './drift.ts'

const START = Date.parse('2026-11-22T14:02:00Z')
const MINUTE = 60_000

function lineOf(server = 'dovecot', more: Partial<RejectedLine> = {}): RejectedLine {
  return { server, line: 'a line', reason: 'not a client address', column: 3, offset: 0, linesBefore: 0, ...more }
}

function setUp(servers: readonly string[] = ['dovecot', 'qpopper']) {
  const clock = new ManualClock(START)
  const watch = new DriftWatch(servers, clock)
  /** `count` lines, `everyMs` apart; returns what was said. */
  const fail = (count: number, everyMs: number, line = lineOf()) =>
    Array.from({ length: count }, () => {
      const said = watch.rejected(line)
      clock.advance(everyMs)
      return said
    }).filter((said) => said !== undefined)
  const login = (server = 'dovecot') => watch.login({ server, atMs: clock.now() })
  return { clock, watch, fail, login, drift: () => watch.counts[0]?.drift }
}

describe('a server that used to log in', () => {
  it('drifts once enough lines fail for long enough, counted from the first of them', () => {
    const { fail, login, drift } = setUp()
    login()
    const said = fail(FEWEST_LINES, SHORTEST_RUN_MS / (FEWEST_LINES - 1))
    expect(said).toEqual([
      { kind: 'drift', server: 'dovecot', lines: 5, foreign: 0, sinceMs: START, lastMs: START + SHORTEST_RUN_MS },
    ])
    expect(drift()).toEqual(said[0])
  })

  it('does not drift by fewer lines, however long they take', () => {
    const { fail, login, drift } = setUp()
    login()
    expect(fail(FEWEST_LINES - 1, TELL_EVERY_MS)).toEqual([])
    expect(drift()).toBeUndefined()
  })

  it('does not drift by a burst, however large', () => {
    const { clock, fail, login, drift } = setUp()
    login()
    expect(fail(10_000, 0)).toEqual([])
    clock.advance(SHORTEST_RUN_MS - 1)
    expect(fail(1, 0)).toEqual([])
    expect(drift()).toBeUndefined()
  })

  it('does not drift while logins come between, and starts anew behind each', () => {
    const { fail, login, drift } = setUp()
    for (let i = 0; i < 50; i++) {
      expect(login()).toBeUndefined()
      expect(fail(9, MINUTE)).toEqual([])
    }
    expect(drift()).toBeUndefined()
  })

  it('drifts by itself: the logins of another server end nothing', () => {
    const { fail, login } = setUp()
    login()
    fail(6, MINUTE)
    login('qpopper')
    expect(fail(6, MINUTE)).toMatchObject([{ server: 'dovecot', lines: 11, sinceMs: START }])
  })

  it('is told again each hour as long as lines fail, and no more often', () => {
    const { fail, login } = setUp()
    login()
    const said = fail(10 + 180, MINUTE)
    expect(said.map(({ lines }) => lines)).toEqual([11, 71, 131])
  })

  it('has its run ended by a login, which is told', () => {
    const { fail, login, drift } = setUp()
    login()
    fail(12, MINUTE)
    expect(login()).toMatchObject({ kind: 'drift', lines: 12 })
    expect(drift()).toBeUndefined()
    expect(login()).toBeUndefined()
  })

  it('is not told anew within the hour when it drifts again', () => {
    const { fail, login, drift } = setUp()
    login()
    expect(fail(12, MINUTE)).toHaveLength(1)
    login()
    expect(fail(12, MINUTE)).toEqual([])
    expect(drift()).toMatchObject({ lines: 12 })
  })
})

describe('whoever can write lines into the log', () => {
  it('is told as one who tries, where the server never logged in', () => {
    const { fail, drift } = setUp()
    expect(fail(12, MINUTE, lineOf('dovecot', { isForeign: true }))).toMatchObject([
      { kind: 'attempts', server: 'dovecot', lines: 11, foreign: 11 },
    ])
    expect(drift()).toMatchObject({ kind: 'attempts', lines: 12, foreign: 12 })
  })

  it('cannot spam: a flood of two servers for a day is told once an hour each', () => {
    const { watch, clock, login } = setUp()
    login()
    const said: unknown[] = []
    for (let second = 0; second < 86_400; second += 10) {
      for (const server of ['dovecot', 'qpopper']) said.push(watch.rejected(lineOf(server)))
      clock.advance(10_000)
    }
    const told = said.filter((one) => one !== undefined)
    expect(told.length).toBeGreaterThanOrEqual(2 * 23)
    expect(told.length).toBeLessThanOrEqual(2 * 24)
  })

  it('cannot silence: a flood in the name of one server takes nothing from the drift of another', () => {
    const { watch, clock, login } = setUp()
    login()
    const said: (string | undefined)[] = []
    for (let i = 0; i < 12; i++) {
      for (let n = 0; n < 1000; n++) said.push(watch.rejected(lineOf('qpopper', { line: `${n}` }))?.kind)
      said.push(watch.rejected(lineOf('dovecot', { reason: 'new' }))?.kind)
      clock.advance(MINUTE)
    }
    expect(said.filter((kind) => kind === 'drift')).toHaveLength(1)
    expect(watch.counts.map(({ server, recent }) => [server, recent[0]?.reason])).toEqual([
      ['dovecot', 'new'],
      ['qpopper', 'not a client address'],
    ])
  })

  it('cannot silence with a burst just before: what is told later is still the whole run', () => {
    const { fail, login } = setUp()
    login()
    fail(100_000, 0)
    expect(fail(11, MINUTE)).toMatchObject([{ lines: 100_011, sinceMs: START }])
  })

  it('makes nothing grow', () => {
    const { watch } = setUp()
    for (let i = 0; i < 5000; i++) {
      watch.rejected(
        lineOf('dovecot', { line: `${i}${'x'.repeat(16_000)}`, reason: `reason ${i} ${'y'.repeat(9000)}` }),
      )
      watch.rejected(lineOf(`server ${i}`))
      watch.login({ server: `server ${i}`, atMs: 0 })
    }
    expect(JSON.stringify(watch.snapshot()).length).toBeLessThan(200)
    expect(JSON.stringify(watch.counts).length).toBeLessThan(8000)
    expect(watch.counts.map(({ server, rejected }) => [server, rejected])).toEqual([['dovecot', 5000]])
  })

  it('does not reach the names of objects', () => {
    const watch = new DriftWatch(['dovecot'], new ManualClock(START))
    for (const server of ['__proto__', 'constructor', 'toString'])
      expect(watch.rejected(lineOf(server))).toBeUndefined()
    expect(watch.counts).toEqual([])
  })
})

describe('a clock that is set', () => {
  it('back does not make a drift of a burst, nor silence one', () => {
    const { clock, fail, login } = setUp()
    login()
    fail(20, 0)
    clock.set(START - 24 * TELL_EVERY_MS)
    expect(fail(10, MINUTE)).toEqual([])
    expect(fail(1, 0)).toHaveLength(1)
    clock.set(START - 48 * TELL_EVERY_MS)
    expect(fail(12, MINUTE)).toHaveLength(1)
  })
})

describe('a restart', () => {
  function restarted(before: DriftWatch, atMs: number, servers = ['dovecot', 'qpopper']) {
    const clock = new ManualClock(atMs)
    const watch = new DriftWatch(servers, clock)
    watch.restore(JSON.parse(JSON.stringify(before.snapshot())))
    return { clock, watch }
  }

  it('keeps the counts, the run and when it was told', () => {
    const { watch, clock, fail, login } = setUp()
    login()
    watch.logout({ server: 'dovecot' })
    fail(12, MINUTE)
    const later = restarted(watch, clock.now())
    expect(later.watch.counts).toEqual(watch.counts.map((one) => ({ ...one, recent: [] })))
    expect(later.watch.rejected(lineOf())).toBeUndefined()
    later.clock.advance(TELL_EVERY_MS)
    expect(later.watch.rejected(lineOf())).toMatchObject({ kind: 'drift', lines: 14, sinceMs: START })
  })

  it('in the middle of a run loses no line of it', () => {
    const { watch, clock, fail, login } = setUp()
    login()
    fail(4, MINUTE)
    const later = restarted(watch, clock.now() + SHORTEST_RUN_MS)
    expect(later.watch.rejected(lineOf())).toMatchObject({ kind: 'drift', lines: 5 })
  })

  it('forgets servers that are no longer looked for', () => {
    const { watch, login } = setUp()
    login()
    expect(restarted(watch, START, ['qpopper']).watch.counts).toEqual([])
  })

  it.each([
    [undefined],
    [null],
    ['text'],
    [{ dovecot: 1 }],
    [[null, 7, 'dovecot', ['dovecot'], [{}], ['dovecot', -1, null, 0, 0, 0, null, null]]],
    [[['dovecot', 1.5, null, 0, 0, 0, null, null]]],
    [[['dovecot', '1', null, 0, 0, 0, null, null]]],
    [[['__proto__', 1, null, 0, 0, 0, null, null]]],
  ])('takes nothing from what is no snapshot: %j', (stored) => {
    const { watch } = setUp()
    watch.restore(stored)
    expect(watch.counts).toEqual([])
  })

  it.each([[['text', 1e99, {}, []]], [[1, 1, 1e300, 1e300]], [['a', 0, 0, 0]], [7]])(
    'keeps the counts and leaves out times and runs that are none: %j',
    (run) => {
      const { watch } = setUp()
      watch.restore([['dovecot', 3, 1e300, 0, 0, 0, 'x', run]])
      expect(watch.counts).toMatchObject([{ logins: 3, lastLoginMs: undefined, drift: undefined }])
    },
  )

  it('believes no run from the future', () => {
    const { watch, clock } = setUp()
    watch.restore([['dovecot', 3, null, 0, 9, 0, null, [9, 0, START + TELL_EVERY_MS, START + 3 * TELL_EVERY_MS]]])
    expect(watch.counts[0]?.drift).toBeUndefined()
    clock.advance(SHORTEST_RUN_MS)
    expect(watch.rejected(lineOf())).toMatchObject({ lines: 10, sinceMs: START })
  })
})

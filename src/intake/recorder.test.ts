import { expect, it } from 'vitest'
import type { Login } from '../core/login.ts'
import { TableError, VoidCommitError } from '../errors.ts'
import { Events } from '../events.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLogger } from '../log.ts'
import type { CommitInput, CommitResult } from '../table/results.ts'
import { COMMIT_LOGINS, MOST_WAITING, Recorder } from './recorder.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const logins = (count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => ({ user: `user${first + i}` }) as Login)

/** A table whose commits are written when the test says so; with `judges` false they are judged only then, too. */
function setUp({ judges = false } = {}) {
  const commits: CommitInput[] = []
  const ends: { resolve: (result: CommitResult) => void; reject: (error: unknown) => void }[] = []
  const stop = new AbortController()
  const clock = new ManualClock(1_000_000)
  const recorder = new Recorder(
    {
      sourceId: 'file:test.log',
      begin: (input) => {
        const written = new Promise<CommitResult>((resolve, reject) => {
          commits.push(input)
          ends.push({ resolve, reject })
        })
        return { judged: judges ? Promise.resolve() : written, written }
      },
      onCommit: () => {},
      events: new Events(createLogger({ level: 'error', format: 'json' }, { write: () => {} }), clock),
      clock,
    },
    stop.signal,
  )
  const finish = async () => {
    ends.shift()?.resolve({ changes: [], outcomes: [] })
    await turn()
  }
  return { recorder, commits, ends, stop, clock, finish }
}

const shape = (commits: readonly CommitInput[]) =>
  commits.map((commit) => [commit.logins.length, (commit.position?.value as { to: number } | undefined)?.to])
const add = (recorder: Recorder, count: number, to: number) => recorder.add(logins(count), { to }, { to })

it('gathers what comes while a commit is on its way, with the last position', async () => {
  const { recorder, commits, finish } = setUp()
  for (const to of [1, 2, 3]) expect(await add(recorder, to, to)).toBe(true)
  expect(shape(commits)).toEqual([[1, 1]])
  await finish()
  expect(shape(commits)).toEqual([
    [1, 1],
    [5, 3],
  ])
  expect(recorder.recorded.position).toEqual({ to: 1 })
  const settled = recorder.settled()
  await finish()
  expect(await settled).toBe(true)
  expect(recorder.recorded.position).toEqual({ to: 3 })
})

it('parts what is much, and writes the position with the last part only', async () => {
  const { recorder, commits, finish } = setUp()
  await add(recorder, 2 * COMMIT_LOGINS + 1, 7)
  for (let i = 0; i < 3; i++) await finish()
  expect(shape(commits)).toEqual([
    [COMMIT_LOGINS, undefined],
    [COMMIT_LOGINS, undefined],
    [1, 7],
  ])
})

it('holds reading up where too much waits', async () => {
  const { recorder, commits, finish } = setUp()
  await add(recorder, 1, 1)
  let isTaken = false
  const adding = add(recorder, MOST_WAITING, 2).then((taken) => {
    isTaken = taken
  })
  await turn()
  expect(isTaken).toBe(false)
  await finish()
  await adding
  expect(isTaken).toBe(true)
  expect(commits).toHaveLength(2)
})

it('tries a commit that failed again, with what it held, before anything else', async () => {
  const { recorder, commits, ends, clock, finish } = setUp()
  await add(recorder, 1, 1)
  await add(recorder, 2, 2)
  ends.shift()?.reject(new TableError('no space left'))
  await turn()
  expect(recorder.trouble).toContain('no space left')
  clock.advance(1_000)
  await turn()
  await finish()
  expect(recorder.trouble).toBeUndefined()
  expect(shape(commits)).toEqual([
    [1, 1],
    [1, 1],
    [2, 2],
  ])
})

it('begins a commit when the one before is judged, and again from the one that failed', async () => {
  const { recorder, commits, ends, clock, finish } = setUp({ judges: true })
  await add(recorder, 3 * COMMIT_LOGINS, 7)
  await turn()
  expect(commits).toHaveLength(3)
  await finish()
  ends.shift()?.reject(new TableError('no space left'))
  ends.shift()?.reject(new VoidCommitError('what went before could not be written'))
  await turn()
  expect(recorder.trouble).toContain('no space left')
  expect(recorder.recorded.position).toBeUndefined()
  clock.advance(1_000)
  await turn()
  expect(commits.slice(3)).toEqual(commits.slice(1, 3))
  for (let i = 0; i < 2; i++) await finish()
  expect(recorder.recorded.position).toEqual({ to: 7 })
})

it('has few commits on their way, and begins more as they are written', async () => {
  const { recorder, commits, finish } = setUp({ judges: true })
  await add(recorder, 10 * COMMIT_LOGINS, 7)
  for (let i = 0; i < 10; i++) await turn()
  expect(commits).toHaveLength(6)
  await finish()
  await turn()
  expect(commits).toHaveLength(7)
})

it('stops at a commit that fails, and takes nothing behind it', async () => {
  const { recorder, commits, ends, stop } = setUp()
  await add(recorder, 1, 1)
  await add(recorder, 1, 2)
  stop.abort()
  ends.shift()?.reject(new TableError('no space left'))
  expect(await recorder.settled()).toBe(false)
  expect(await add(recorder, 1, 3)).toBe(false)
  expect(shape(commits)).toEqual([[1, 1]])
})

it('writes what little waits when it is stopped, and leaves much to the next start', async () => {
  const little = setUp()
  await add(little.recorder, 1, 1)
  await add(little.recorder, 10, 2)
  little.stop.abort()
  await little.finish()
  await little.finish()
  expect(await little.recorder.settled()).toBe(true)
  const much = setUp()
  void add(much.recorder, 10 * MOST_WAITING, 1)
  much.stop.abort()
  await much.finish()
  expect(await much.recorder.settled()).toBe(false)
  expect(shape(much.commits)).toEqual([[COMMIT_LOGINS, undefined]])
})

it('tries at once again where only the commit before was at fault, also while it stops', async () => {
  const { recorder, commits, ends, stop, finish } = setUp()
  await add(recorder, 1, 1)
  stop.abort()
  ends.shift()?.reject(new VoidCommitError('what went before could not be written'))
  await turn()
  expect(recorder.trouble).toBeUndefined()
  await finish()
  expect(await recorder.settled()).toBe(true)
  expect(shape(commits)).toEqual([
    [1, 1],
    [1, 1],
  ])
})

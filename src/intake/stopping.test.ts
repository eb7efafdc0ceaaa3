/** A daemon that is told to stop in the middle of a large log: how soon it does, and where the next one goes on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pendingCommit } from '../../test/support/pending-commit.ts'
import type { AdmissionPolicy } from '../admission/policy.ts'
import { Events } from '../events.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLogger } from '../log.ts'
import { parserById } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import { FileSource } from '../sources/file/file-source.ts'
import type { Source, SourceChunk, SourcePosition } from '../sources/source.ts'
import type { CommitInput, CommitResult } from '../table/results.ts'
import { Intake, type IntakeStatus } from './intake.ts'

const START = Date.parse('2026-11-22T16:20:05Z')
const CHUNK_BYTES = 4096
const LOGINS = 1000

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-stopping-'))
  path = join(directory, 'mail.log')
})
afterEach(() => rmSync(directory, { recursive: true }))

const login = (n: number) =>
  `2026-11-22T16:20:00+00:00 mail dovecot: pop3-login: Login: user=<user${n}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.25, mpid=1, session=<a>\n`
const logOf = (count: number) => Array.from({ length: count }, (_, n) => login(n)).join('')

/** Remembers what is committed; its position outlives an intake. */
class MemoryTable {
  readonly users: string[] = []
  kept: unknown
  readonly policy = { windowMs: 30 * 60_000 } as AdmissionPolicy
  readonly #onCommit: (commits: number) => void
  commits = 0

  constructor(onCommit: (commits: number) => void) {
    this.#onCommit = onCommit
  }

  position(): unknown {
    return this.kept
  }

  async commit({ logins, position }: CommitInput): Promise<CommitResult> {
    this.users.push(...logins.map(({ user }) => user))
    this.kept = position?.value
    this.#onCommit(++this.commits)
    return { changes: [], outcomes: [] }
  }
}

/** Tells of each chunk before it is handed on. */
function observed(source: Source, onChunk: (chunk: SourceChunk) => void): Source {
  return {
    id: source.id,
    async *chunks(from: SourcePosition | undefined, signal: AbortSignal) {
      for await (const chunk of source.chunks(from, signal)) {
        onChunk(chunk)
        yield chunk
      }
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}

/** Reads until `stop` says so, or to the end of the log. Returns how many chunks came after the stop, and each status on the way. */
async function read(table: MemoryTable, stop: (seen: number) => boolean = () => false) {
  const abort = new AbortController()
  const seen = { all: 0, afterStop: 0, statuses: [] as IntakeStatus[] }
  const clock = new ManualClock(START)
  const file = new FileSource({ path, clock, notice: () => {}, chunkBytes: CHUNK_BYTES, maxLineBytes: 1024 })
  const source = observed(file, () => {
    seen.all++
    if (abort.signal.aborted) seen.afterStop++
    if (stop(seen.all)) abort.abort()
  })
  const intake: Intake = new Intake({
    source,
    scanner: new LoginScanner({ parsers: [parserById('dovecot')], timezone: 'UTC' }),
    servers: ['dovecot'],
    timezone: 'UTC',
    table: {
      policy: table.policy,
      position: () => table.position(),
      beginCommit: (input) => {
        const commit = async () => {
          const result = await table.commit(input)
          seen.statuses.push(intake.status)
          return result
        }
        return pendingCommit(commit())
      },
    },
    events: new Events(createLogger({ level: 'error', format: 'json' }, { write: () => {} }), clock),
    clock,
    onChanges: () => {},
    onCaughtUp: () => abort.abort(),
  })
  await intake.run(abort.signal)
  await source[Symbol.asyncDispose]()
  return { ...seen, last: intake.status }
}

const everybody = Array.from({ length: LOGINS }, (_, n) => `user${n}`)

it('ends with the chunk it is at, and the next one goes on behind it', async () => {
  const table = new MemoryTable(() => {})
  writeFileSync(path, '')
  await read(table)
  writeFileSync(path, logOf(LOGINS))
  const first = await read(table, (seen) => seen === 5)
  expect(first.afterStop).toBeLessThanOrEqual(1)
  expect(table.users.length).toBeGreaterThan(0)
  expect(table.users.length).toBeLessThan(LOGINS / 4)
  await read(table)
  expect(table.users).toEqual(everybody)
})

it('that reads a log for the first time ends as soon, and the next one reads it anew', async () => {
  const table = new MemoryTable(() => {})
  writeFileSync(path, logOf(LOGINS))
  const first = await read(table, (seen) => seen === 5)
  expect(first.afterStop).toBeLessThanOrEqual(1)
  expect(table.users).toEqual([])
  await read(table)
  expect(table.users).toEqual(everybody)
})

it('tells how much is left while it reads', async () => {
  const table = new MemoryTable(() => {})
  writeFileSync(path, '')
  await read(table)
  const text = logOf(LOGINS)
  writeFileSync(path, text)
  const { statuses, last, all } = await read(table)
  expect(all).toBeGreaterThan(20)
  const left = statuses.map(({ backlog }) => backlog?.leftBytes ?? Number.NaN)
  expect(left[0]).toBeGreaterThan(text.length - 2 * CHUNK_BYTES)
  expect(left).toEqual(left.toSorted((a, b) => b - a))
  expect(statuses[0]?.backlog?.readPercent).toBeLessThan(5)
  expect(last.backlog).toEqual({ leftBytes: 0, readPercent: 100 })
})

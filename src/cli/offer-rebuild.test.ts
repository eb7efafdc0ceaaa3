import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { DamagedTableError, TableError } from '../errors.ts'
import { runOrRebuild } from './offer-rebuild.ts'

const DECISIONS = { version: 1, decisions: [{ kind: 'block', at: '2026-11-22T16:20:05.000Z', user: 'mallory' }] }

let directory: string
let table: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-rebuild-'))
  table = join(directory, 'table.mdb')
  writeFileSync(table, 'garbage')
  writeFileSync(join(directory, 'decisions.json'), JSON.stringify(DECISIONS))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A daemon that starts where the table is away. `typed` is what comes when the question has been asked. */
function attempt(
  typed: string | (() => void),
  { inputIsTTY = true, errorIsTTY = true, error = new DamagedTableError('it is damaged \u001b[2J') as Error } = {},
) {
  let said = ''
  let starts = 0
  const abort = new AbortController()
  const input = Object.assign(new PassThrough(), { isTTY: inputIsTTY })
  const answer = () => (typeof typed === 'string' ? input.write(typed) : typed())
  const write = (text: Buffer, _encoding: unknown, done: () => void) => {
    said += text.toString()
    if (said.endsWith('[y/N] ')) setImmediate(answer)
    done()
  }
  const stderr = Object.assign(new Writable({ write }), { isTTY: errorIsTTY })
  const start = async () => {
    starts++
    if (existsSync(table)) throw error
  }
  const ended = runOrRebuild({ stdin: () => input, stderr }, directory, abort.signal, start)
  return {
    abort,
    input,
    result: async () => {
      const failure = await ended.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      return { failure, starts, said }
    },
  }
}

it.each(['y\n', 'Y\r\n', 'yes\n', ' YES \n'])(
  'after %j it is set aside, and the daemon started again',
  async (typed) => {
    const { failure, starts, said } = await attempt(typed).result()
    expect({ failure, starts }).toEqual({ failure: undefined, starts: 2 })
    expect(readFileSync(`${table}.set-aside`, 'latin1')).toBe('garbage')
    expect(JSON.parse(readFileSync(join(directory, 'decisions.json'), 'utf8'))).toEqual(DECISIONS)
    expect(said).toMatch(/it is damaged \\x1b\[2J\n.*make a new one of the logs/)
    expect(said).toMatch(/table\.mdb\.set-aside now; 1 decision stays in force\n$/)
  },
)

it.each(['n\n', '\n', 'yellow\n', 'no y\n', `${'y'.repeat(200)}`])('after %j nothing is changed', async (typed) => {
  const { failure, starts } = await attempt(typed).result()
  expect(failure).toBeInstanceOf(DamagedTableError)
  expect(starts).toBe(1)
  expect(readFileSync(table, 'latin1')).toBe('garbage')
})

it('nor where the input ends, or the process is told to stop, before there is an answer', async () => {
  const ending = attempt(() => ending.input.end('y'))
  expect((await ending.result()).failure).toBeInstanceOf(DamagedTableError)
  const stopping = attempt(() => stopping.abort.abort())
  expect((await stopping.result()).failure).toBeInstanceOf(DamagedTableError)
  expect(existsSync(table)).toBe(true)
})

it.each([
  [{ inputIsTTY: false }],
  [{ errorIsTTY: false }],
  [{ error: new TableError('cannot open it: permission denied') }],
])('nobody is asked: %j', async (settings) => {
  const { failure, starts, said } = await attempt('y\n', settings).result()
  expect(failure).toBeInstanceOf(TableError)
  expect({ starts, said }).toEqual({ starts: 1, said: '' })
  expect(existsSync(table)).toBe(true)
})

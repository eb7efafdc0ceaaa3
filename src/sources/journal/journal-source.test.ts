/**
 * The journal source against a stand-in for journalctl: a real journal takes a journald, which takes root and a mount namespace of its own.
 * The stand-in keeps to what journalctl 252 was seen to do with the options that are given to it.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeJournalctl, journalEntry } from '../../../test/support/fake-journalctl.ts'
import { SourceError } from '../../errors.ts'
import { systemClock } from '../../lib/clock.ts'
import type { SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { JournalSource, type JournalSourceOptions } from './journal-source.ts'

let directory: string
let journal: string
let notices: SourceNotice[]
const restart = { firstMs: 1, mostMs: 1 }

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-journal-'))
  journal = join(directory, 'entries')
  notices = []
  writeFileSync(journal, '')
})

afterEach(() => rmSync(directory, { recursive: true }))

function source(options: Partial<JournalSourceOptions> = {}): JournalSource {
  const command = fakeJournalctl(directory, journal)
  return new JournalSource({
    clock: systemClock,
    restart,
    notice: (notice) => notices.push(notice),
    command,
    ...options,
  })
}

/** Messages until `count` of them came, with the position behind them. */
async function read(from: JournalSource, count: number, position?: SourcePosition) {
  const messages: string[] = []
  let last: SourceChunk | undefined
  for await (const chunk of from.chunks(position, new AbortController().signal)) {
    last = chunk
    const entries = chunk.bytes.toString().split('\n').slice(0, -1)
    messages.push(...entries.map((entry) => (JSON.parse(entry) as { MESSAGE: string }).MESSAGE))
    if (messages.length >= count) break
  }
  return { messages, position: last?.position, chunk: last }
}

const argumentsGiven = () => readFileSync(join(directory, 'arguments'), 'utf8').trim().split('\n')

describe('JournalSource', () => {
  it('starts with the last window, of this machine, in all boots', async () => {
    appendFileSync(journal, journalEntry(1, 'one'))
    const machineIdPath = join(directory, 'machine-id')
    writeFileSync(machineIdPath, `${'0a'.repeat(16)}\n`)
    await read(source({ machineIdPath, matches: ['SYSLOG_FACILITY=2'], backlogMs: 60_000 }), 1)
    const args = argumentsGiven()
    expect(args).toEqual(expect.arrayContaining(['json', `_MACHINE_ID=${'0a'.repeat(16)}`]))
    expect(args).not.toContain('--merge')
    expect(args.at(-1)).toBe('SYSLOG_FACILITY=2')
    const since = Number(args.find((arg) => arg.startsWith('--since=@'))?.slice(9))
    expect(Math.abs(Date.now() / 1000 - 60 - since)).toBeLessThan(30)
  })

  it('resumes behind the cursor', async () => {
    appendFileSync(journal, journalEntry(1, 'one') + journalEntry(2, 'two'))
    const { position, chunk } = await read(source(), 2)
    expect(chunk).toMatchObject({ format: 'journal-json', origin: 'journal' })
    expect(position).toEqual({ v: 1, cursor: 's=a;i=2' })
    appendFileSync(journal, journalEntry(3, 'three'))
    expect((await read(source(), 1, position)).messages).toEqual(['three'])
    expect(argumentsGiven()).toContain('--cursor=s=a;i=2')
  })

  it('reads what is there before it follows, and only then is caught up', async () => {
    appendFileSync(journal, journalEntry(1, 'one'))
    const chunks: SourceChunk[] = []
    const given: string[][] = []
    for await (const chunk of source().chunks(undefined, new AbortController().signal)) {
      chunks.push(chunk)
      given.push(argumentsGiven())
      if (chunk.caughtUp) break
    }
    expect(chunks.map(({ caughtUp }) => caughtUp)).toEqual([...chunks.slice(1).map(() => false), true])
    expect(given.at(-1)).toEqual(expect.arrayContaining(['-f', '--no-tail', '--cursor=s=a;i=1']))
  })

  it.each([
    ['of this boot', '0b'.repeat(16), true],
    ['of an earlier boot, which -f finds nothing behind', '0c'.repeat(16), false],
  ])('follows behind an entry %s', async (_, boot, isBehind) => {
    const bootIdPath = join(directory, 'boot-id')
    writeFileSync(bootIdPath, '0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b\n')
    const cursor = `s=a;i=1;b=${boot};m=1`
    appendFileSync(journal, journalEntry(1, 'one').replace('s=a;i=1', cursor))
    for await (const chunk of source({ bootIdPath }).chunks({ v: 1, cursor }, new AbortController().signal))
      if (chunk.caughtUp) break
    expect(argumentsGiven()).toContain('-f')
    expect(argumentsGiven().includes(`--cursor=${cursor}`)).toBe(isBehind)
    expect(argumentsGiven().some((one) => one.startsWith('--since'))).toBe(false)
  })

  it('takes the cursor from the field, not from a message that spells one', async () => {
    appendFileSync(journal, journalEntry(1, '","__CURSOR":"s=a;i=9'))
    expect((await read(source(), 1)).position).toEqual({ v: 1, cursor: 's=a;i=1' })
  })

  it.each(['--file=/etc/passwd x', '', 'a\nb', 'x'.repeat(600)])('never passes on a cursor like %j', async (cursor) => {
    appendFileSync(journal, journalEntry(1, 'one'))
    expect((await read(source(), 1, { v: 1, cursor })).messages).toEqual(['one'])
    expect(argumentsGiven().some((arg) => arg.startsWith('--cursor'))).toBe(false)
  })

  it('starts journalctl again where it dies, and goes on behind the last entry', async () => {
    appendFileSync(journal, journalEntry(1, 'one'))
    const abort = new AbortController()
    const iterator = source().chunks(undefined, abort.signal)[Symbol.asyncIterator]()
    let before = ''
    for (let caughtUp = false; !caughtUp; ) {
      const { value } = await iterator.next()
      before += value?.bytes.toString()
      caughtUp = value?.caughtUp === true
    }
    expect(before).toContain('one')
    process.kill(Number(readFileSync(join(directory, 'pid'), 'utf8')), 'SIGKILL')
    appendFileSync(journal, journalEntry(2, 'two'))
    let text = ''
    while (!text.includes('two')) text += (await iterator.next()).value?.bytes.toString()
    expect(text).not.toContain('one')
    expect(notices).toMatchObject([{ kind: 'restarted', trouble: true }])
    abort.abort()
    expect((await iterator.next()).done).toBe(true)
  })

  it('loses nothing where the last entry is gone and journalctl begins with one behind it', async () => {
    appendFileSync(journal, journalEntry(7, 'seven') + journalEntry(8, 'eight'))
    const position = { v: 1, cursor: 's=a;i=5' }
    const command = ['/bin/sh', '-c', `exec cat '${journal}'`]
    expect((await read(source({ command }), 2, position)).messages).toEqual(['seven', 'eight'])
  })

  it('reads the last window again where the cursor is refused', async () => {
    appendFileSync(journal, journalEntry(1, 'one'))
    expect((await read(source(), 1, { v: 1, cursor: 's=b;i=77' })).messages).toEqual(['one'])
    expect(notices.map((notice) => notice.kind)).toEqual(['restarted', 'restarted', 'restarted'])
    expect(notices.at(-1)?.detail).toContain('does not find the entry')
    expect(notices.at(-1)?.detail).toContain('Failed to seek to cursor')
  })

  it('refuses a journal that it may not read, with what journalctl said and the mend', async () => {
    const command = [
      '/bin/sh',
      '-c',
      'echo "No journal files were opened due to insufficient permissions." >&2; exit 1',
    ]
    const error = await read(source({ command }), 1).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SourceError)
    expect((error as SourceError).message).toContain('exit code 1: No journal files were opened')
    expect((error as SourceError).mend).toContain('systemd-journal')
  })

  it('says where there is no journalctl', async () => {
    const error = await read(source({ command: [join(directory, 'nothing')] }), 1).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SourceError)
    expect((error as SourceError).message).toContain('cannot start it: no such file or directory')
  })

  it('ends its child', async () => {
    appendFileSync(journal, journalEntry(1, 'one'))
    await read(source(), 1)
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

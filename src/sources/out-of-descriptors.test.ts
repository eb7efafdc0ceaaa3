/** Where descriptors have run out, spawn() gives a child without pipes, and tells why by an event: no program may then end this one. */
import { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { readUnpackedHead, unpack } from './file/packed-file.ts'
import { passes } from './file/passing-errors.ts'
import { JournalSource } from './journal/journal-source.ts'

vi.mock('node:child_process', async (original) => ({ ...(await original<object>()), spawn: withoutPipes }))

/** As Node does it: the event comes in the next tick, and ends the process where nobody listens. */
function withoutPipes(program: string): ChildProcess {
  const child = new ChildProcess()
  const error = Object.assign(new Error(`spawn ${program} EMFILE`), { code: 'EMFILE' })
  process.nextTick(() => child.emit('error', error))
  return child
}

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-descriptors-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

it('a file that cannot be unpacked for want of descriptors is tried again', async () => {
  const path = join(directory, 'log.1.xz')
  writeFileSync(path, 'of no account')
  const handle = await open(path)
  const error: unknown = await unpack(handle, 'xz')
    .next()
    .catch((thrown: unknown) => thrown)
  expect(passes(error)).toBe(true)
  await expect(readUnpackedHead(handle, 'xz', 10)).rejects.toThrow('xz cannot be run')
  await handle.close()
})

it('a journal that cannot be read for want of descriptors is tried again', async () => {
  const notices: string[] = []
  const stop = new AbortController()
  const source = new JournalSource({
    clock: systemClock,
    restart: { firstMs: 1, mostMs: 1 },
    notice: ({ detail }) => {
      notices.push(detail)
      if (notices.length === 2) stop.abort()
    },
  })
  const from = { v: 1, cursor: 's=1;i=1;b=1;m=1;t=1;x=1' }
  for await (const _chunk of source.chunks(from, stop.signal)) expect.unreachable()
  expect(notices).toHaveLength(2)
  for (const notice of notices) expect(notice).toContain('too many open files')
})

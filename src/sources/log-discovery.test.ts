/** What a host's logs look like, in a directory of its own. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { SourceError } from '../errors.ts'
import { discoverLog } from './log-discovery.ts'

let directory: string
const at = (name: string) => join(directory, name)
const discover = () =>
  discoverLog({
    candidates: [at('mail.log'), at('maillog'), at('messages')],
    journalDirectories: [at('journal')],
    searchPath: `:${at('sbin')}:${at('bin')}`,
  })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-discovery-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

it('takes the first log that exists, also an empty one', async () => {
  writeFileSync(at('messages'), 'x\n')
  expect(await discover()).toEqual({ kind: 'file', path: at('messages') })
  writeFileSync(at('maillog'), '')
  expect(await discover()).toEqual({ kind: 'file', path: at('maillog') })
})

it('passes over a link to nowhere', async () => {
  symlinkSync('gone', at('mail.log'))
  expect(await discover()).toBeUndefined()
})

it('does not pass over a log that it cannot read', async () => {
  mkdirSync(at('mail.log'))
  writeFileSync(at('messages'), 'x\n')
  const error = await discover().catch((error: unknown) => error)
  expect(error).toBeInstanceOf(SourceError)
  expect(error).toMatchObject({
    message: `cannot follow ${at('mail.log')}: it is a directory`,
    mend: expect.any(String),
  })
})

it('names the group where permission is denied', async () => {
  const asRoot = process.getuid?.() === 0
  mkdirSync(at('closed'), { mode: asRoot ? 0o700 : 0 })
  symlinkSync('closed/log', at('mail.log'))
  if (asRoot) process.seteuid?.(65534)
  const error = await discover().catch((error: unknown) => error)
  if (asRoot) process.seteuid?.(0)
  expect(error).toBeInstanceOf(SourceError)
  expect((error as SourceError).message).toContain('permission denied')
  expect((error as SourceError).mend).toMatch(/usermod -aG adm .*--log FILE/)
})

it('falls back to a journal that can be read with journalctl', async () => {
  mkdirSync(at('journal/0123'), { recursive: true })
  expect(await discover()).toBeUndefined()
  mkdirSync(at('bin'))
  writeFileSync(at('bin/journalctl'), '', { mode: 0o755 })
  expect(await discover()).toBeUndefined() // no journal file: the directory of a container without journald
  writeFileSync(at('journal/0123/system.journal'), '')
  expect(await discover()).toEqual({ kind: 'journal' })
})

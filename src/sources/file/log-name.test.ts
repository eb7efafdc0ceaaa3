/** Names that change with the date. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { currentPath, datedFiles, isPattern, watchedPath } from './log-name.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-name-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const make = (...names: string[]) => {
  for (const name of names) writeFileSync(join(directory, name), '')
}
const meant = async (pattern: string) => (await datedFiles(join(directory, pattern))).map(({ path }) => basename(path))

it('knows a pattern by a * in the name of the file', () => {
  expect(isPattern('/var/log/mail-*.log')).toBe(true)
  expect(isPattern('/var/log/mail.log')).toBe(false)
  expect(isPattern('/var/*/mail.log')).toBe(false)
})

it('takes dates and numbers, early ones first, and nothing else', async () => {
  make('mail-20261122.log', 'mail-20260930.log.gz', 'mail-20261121.log.xz', 'mail-20261121.log')
  make('mail-error.log', 'mail-.log', 'mail-20261122.log.bak', 'mail-20261122xlog', 'xmail-20261122.log')
  expect(await meant('mail-*.log')).toEqual(['mail-20260930.log.gz', 'mail-20261121.log', 'mail-20261122.log'])
})

it.each([
  ['mail.*', ['mail.2026-11-09T10:00', 'mail.2026-11-10T09:00']],
  ['*.mail', ['9.mail', '10.mail']],
  ['m-*-x-*', ['m-1-x-2', 'm-1-x-10', 'm-2-x-1']],
  ['[a]+(*', ['[a]+(1', '[a]+(2']],
])('orders %s by its numbers', async (pattern, names) => {
  make(...names.toReversed())
  expect(await meant(pattern)).toEqual(names)
})

it('is where the last plain file is, or the pattern itself', async () => {
  const pattern = join(directory, 'mail-*.log')
  expect(await currentPath(pattern)).toBe(pattern)
  make('mail-20261123.log.gz')
  expect(await currentPath(pattern)).toBe(pattern)
  make('mail-20261122.log')
  expect(await currentPath(pattern)).toBe(join(directory, 'mail-20261122.log'))
  expect(await currentPath('/x/y.log')).toBe('/x/y.log')
  expect(await meant('none-*')).toEqual([])
  expect(await datedFiles('/nowhere/mail-*.log')).toEqual([])
})

it('watches what all names begin with', () => {
  expect(watchedPath('/var/log/mail-*.log')).toBe('/var/log/mail-')
  expect(watchedPath('/var/log/*.log')).toBe('/var/log/*.log')
  expect(watchedPath('/var/log/mail.log')).toBe('/var/log/mail.log')
})

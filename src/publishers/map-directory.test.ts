/** Directories of maps that root makes in a directory of the daemon's user, who may have put something else there. */
import {
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeMapDirectory } from './map-directory.ts'

const USER = 12_345
const asRoot = it.runIf(process.geteuid?.() === 0)
let home: string
let state: string
let umask: number

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'popauthd-dirs-'))
  state = join(home, 'state')
  mkdirSync(state)
  umask = process.umask(0o077)
})
afterEach(() => {
  process.umask(umask)
  rmSync(home, { recursive: true })
})

it('lets an MTA pass each of them, whatever the umask', async () => {
  await makeMapDirectory(join(state, 'maps', 'exim'), state)
  for (const path of [join(state, 'maps'), join(state, 'maps', 'exim')]) expect(statSync(path).mode & 0o777).toBe(0o755)
})

it('makes none elsewhere', async () => {
  await makeMapDirectory(join(home, 'state-2', 'maps'), state)
  await makeMapDirectory(state, state)
  expect(readdirSync(home)).toEqual(['state'])
})

asRoot('gives each of them to the owner of the state directory', async () => {
  chownSync(state, USER, USER)
  await makeMapDirectory(join(state, 'maps', 'exim'), state)
  for (const path of [join(state, 'maps'), join(state, 'maps', 'exim')]) expect(statSync(path).uid).toBe(USER)
})

asRoot('makes none where a link of another user leads', async () => {
  chownSync(state, USER, USER)
  const elsewhere = join(home, 'etc')
  mkdirSync(elsewhere)
  symlinkSync(elsewhere, join(state, 'maps'))
  lchownSync(join(state, 'maps'), USER, USER)
  await expect(makeMapDirectory(join(state, 'maps', 'exim'), state)).rejects.toThrow(/root does not follow/)
  expect(readdirSync(elsewhere)).toEqual([])
  expect(lstatSync(join(state, 'maps')).isSymbolicLink()).toBe(true)
})

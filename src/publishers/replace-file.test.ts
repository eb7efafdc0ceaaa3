/** Files that root replaces in a directory of the daemon's user, who may have put a link there. */
import {
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { removeStaged, replaceFile } from './replace-file.ts'

const USER = 12_345
const asRoot = it.runIf(process.geteuid?.() === 0)
const rights = { mode: 0o644 }
let home: string
let state: string
let target: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'popauthd-links-'))
  state = join(home, 'state')
  target = join(home, 'hosts')
  mkdirSync(state)
  writeFileSync(target, 'as it was')
})
afterEach(() => rmSync(home, { recursive: true }))

it('follows a link that the operator made, and keeps it', async () => {
  symlinkSync(target, join(state, 'map'))
  await replaceFile(join(state, 'map'), ['new'], rights)
  expect(readFileSync(target, 'utf8')).toBe('new')
})

asRoot('follows none that another user made, to a file or to a directory', async () => {
  chownSync(state, USER, USER)
  symlinkSync(target, join(state, 'map'))
  symlinkSync(home, join(state, 'maps'))
  for (const name of ['map', 'maps']) lchownSync(join(state, name), USER, USER)
  for (const path of [join(state, 'map'), join(state, 'maps', 'hosts')]) {
    await expect(replaceFile(path, ['new'], rights)).rejects.toThrow(
      /root does not follow .*state\/maps?, a symbolic link/,
    )
    await expect(removeStaged(path)).rejects.toMatchObject({ mend: expect.stringContaining('chown -h root') })
  }
  expect(readFileSync(target, 'utf8')).toBe('as it was')
})

import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createForOwner, giveToOwnerOf, reserveForOwner } from './directory-owner.ts'

const NOBODY = 65_534

describe.runIf(process.geteuid?.() === 0)('what root makes in a directory of another user', () => {
  let directory: string
  const ownerOf = (name: string) => statSync(join(directory, name)).uid

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-owner-'))
    chownSync(directory, NOBODY, NOBODY)
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('belongs to that user, with the mode asked for', () => {
    closeSync(createForOwner(join(directory, 'lock'), 0o640))
    reserveForOwner(join(directory, 'table'), 0o640)
    for (const name of ['lock', 'table']) {
      const { uid, gid, mode } = statSync(join(directory, name))
      expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: NOBODY, gid: NOBODY, mode: 0o640 })
    }
  })

  it('never replaces what is there', () => {
    writeFileSync(join(directory, 'lock'), 'mine')
    expect(() => createForOwner(join(directory, 'lock'), 0o640)).toThrow(/EEXIST/)
    expect(ownerOf('lock')).toBe(0)
  })

  it('gives away no file that has a second name', () => {
    writeFileSync(join(directory, 'secret'), 'of root')
    linkSync(join(directory, 'secret'), join(directory, 'lure'))
    const fd = openSync(join(directory, 'lure'), 'r')
    expect(giveToOwnerOf(directory, fd)).toBe(false)
    closeSync(fd)
    expect(ownerOf('secret')).toBe(0)
  })

  it('stays with root where the directory does, and nothing is reserved', () => {
    chownSync(directory, 0, NOBODY)
    chmodSync(directory, 0o2755)
    closeSync(createForOwner(join(directory, 'lock'), 0o640))
    reserveForOwner(join(directory, 'table'), 0o640)
    expect(ownerOf('lock')).toBe(0)
    expect(() => ownerOf('table')).toThrow(/ENOENT/)
  })
})

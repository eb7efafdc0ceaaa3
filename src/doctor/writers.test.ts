import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_ACL, parseAcl } from './acl.ts'
import { accounts } from './fake-host.ts'
import { namesText, whoText, writableDirectories, writableFile, writersOf } from './writers.ts'

const isRoot = process.getuid?.() === 0

describe('writersOf', () => {
  it.each([
    ['0644 of root', { uid: 0, gid: 0, mode: 0o644 }, 'nobody else'],
    ['0664 with the group of root', { uid: 0, gid: 0, mode: 0o664 }, 'nobody else'],
    ['0640 with a group that may only read', { uid: 0, gid: 50, mode: 0o640 }, 'nobody else'],
    ['0666', { uid: 0, gid: 0, mode: 0o666 }, 'everybody on this host'],
    ['0644 of a person', { uid: 1002, gid: 0, mode: 0o644 }, 'bob'],
    ['0644 of the trusted user', { uid: 900, gid: 900, mode: 0o644 }, 'nobody else'],
    ['0660 with members', { uid: 0, gid: 50, mode: 0o660 }, 'the members of staff (ann, bob)'],
    ['0660 with a syslog daemon and a person', { uid: 0, gid: 4, mode: 0o660 }, 'the members of adm (ann)'],
    ['0660 with a syslog daemon alone', { uid: 0, gid: 60, mode: 0o660 }, 'nobody else'],
    ['0660 with a group of nobody', { uid: 0, gid: 70, mode: 0o660 }, 'nobody else'],
    ['0660 of a person with a group', { uid: 1002, gid: 50, mode: 0o660 }, 'bob and the members of staff (ann, bob)'],
  ])('%s', (_, stats, expected) => {
    expect(whoText(writersOf(stats, NO_ACL, accounts, [900]))).toBe(expected)
  })

  it('counts whom an access control list names; the bits of the group are its mask then', () => {
    const acl = { uids: [1001], gids: [50], owningGroup: false }
    const stats = { uid: 0, gid: 4, mode: 0o660 }
    expect(writersOf(stats, acl, accounts, []).others).toEqual(['ann', 'the members of staff (ann, bob)'])
  })
})

describe('parseAcl', () => {
  const entry = (tag: number, permissions: number, id = 0xffffffff) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(tag, 0)
    bytes.writeUInt16LE(permissions, 2)
    bytes.writeUInt32LE(id, 4)
    return bytes
  }
  const list = (...entries: Buffer[]) => Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries])

  it('tells the named users and groups that may write', () => {
    const bytes = list(entry(1, 6), entry(2, 6, 1001), entry(2, 4, 1002), entry(4, 4), entry(8, 2, 50), entry(0x10, 7))
    expect(parseAcl(bytes)).toEqual({ uids: [1001], gids: [50], owningGroup: false })
  })

  it('keeps to the mask', () => {
    const bytes = list(entry(1, 6), entry(2, 6, 1001), entry(4, 6), entry(0x10, 4), entry(0x20, 0))
    expect(parseAcl(bytes)).toEqual({ uids: [], gids: [], owningGroup: false })
  })

  it.each([
    [Buffer.alloc(0)],
    [Buffer.from([9, 0, 0, 0, 2, 0, 6, 0, 1, 0, 0, 0])],
    [list(entry(2, 6, 1)).subarray(0, 9)],
  ])('names nobody in what is none: %j', (bytes) => expect(parseAcl(bytes)).toMatchObject({ uids: [], gids: [] }))
})

describe('on a real file system', () => {
  let directory: string
  beforeEach(() => {
    // Not in the temporary directory itself, which everybody may write to.
    directory = mkdtempSync(join(tmpdir(), 'popauthd-writers-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const mine = process.geteuid?.() ?? 0
  const directories = async (path: string) =>
    (await writableDirectories(path, accounts, [mine])).map((place) => [place.path, whoText(place)])

  it('goes up all directories; a sticky one above harms nobody', async () => {
    const inner = join(directory, 'a')
    mkdirSync(inner)
    expect(await directories(join(inner, 'mail.log'))).toEqual([])
    chmodSync(directory, 0o777)
    expect(await directories(join(inner, 'mail.log'))).toEqual([[directory, 'everybody on this host']])
    chmodSync(directory, 0o1777)
    expect(await directories(join(inner, 'mail.log'))).toEqual([])
    expect(await directories(join(directory, 'mail.log'))).toEqual([[directory, 'everybody on this host']])
  })

  it('follows links to the directory where the file is', async () => {
    const open = join(directory, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    symlinkSync(open, join(directory, 'link'))
    expect(await directories(join(directory, 'link', 'mail.log'))).toEqual([[open, 'everybody on this host']])
    expect(await directories(join(directory, 'mail.log'))).toEqual([])
    writeFileSync(join(open, 'target.log'), '')
    symlinkSync(join(open, 'target.log'), join(directory, 'mail.log'))
    expect(await directories(join(directory, 'mail.log'))).toEqual([[open, 'everybody on this host']])
  })

  it('tells a file that others may write to, and no other', async () => {
    const path = join(directory, 'mail.log')
    writeFileSync(path, '')
    chmodSync(path, 0o640)
    expect(await writableFile(path, accounts, [mine])).toBeUndefined()
    chmodSync(path, 0o602)
    expect(await writableFile(path, accounts, [mine])).toMatchObject({ path, mode: 0o602, everybody: true })
  })

  it.skipIf(process.platform !== 'linux')(
    'tells whom an access control list lets in (skipped: Linux only)',
    async () => {
      const path = join(directory, 'mail.log')
      writeFileSync(path, '')
      const attributes = (await import('fs-native-extensions')) as unknown as {
        setAttrSync(fd: number, name: string, value: Buffer): void
      }
      const fd = openSync(path, 'r+')
      // user::rw-, user:1001:rw-, group::r--, mask::rw-, other::---
      const list = '02000000 01000600ffffffff 02000600e9030000 04000400ffffffff 10000600ffffffff 20000000ffffffff'
      attributes.setAttrSync(fd, 'system.posix_acl_access', Buffer.from(list.replaceAll(' ', ''), 'hex'))
      closeSync(fd)
      expect((await writableFile(path, accounts, [mine]))?.others).toEqual(['ann'])
    },
  )

  it.skipIf(!isRoot)('tells owners and members of groups (skipped: needs root)', async () => {
    const path = join(directory, 'mail.log')
    writeFileSync(path, '')
    chownSync(path, 1002, 50)
    chmodSync(path, 0o660)
    chownSync(directory, 0, 50)
    chmodSync(directory, 0o775)
    const own = await writableFile(path, accounts, [])
    expect(own?.others).toEqual(['bob', 'the members of staff (ann, bob)'])
    expect(await directories(path)).toEqual([[directory, 'the members of staff (ann, bob)']])
  })
})

it('namesText does not go on for ever', () => {
  expect(namesText(['a', 'b'])).toBe('a, b')
  expect(namesText(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more')
})

import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeFileAtomically } from './atomic-file.ts'

const NOBODY = 65_534

describe('writeFileAtomically', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-atomic-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('replaces the whole file, with the mode asked for, and leaves nothing beside it', async () => {
    const path = join(directory, 'a.json')
    await writeFileAtomically(path, 'a longer first text', 0o640)
    await writeFileAtomically(path, 'second', 0o640)
    expect(readFileSync(path, 'utf8')).toBe('second')
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(readdirSync(directory)).toEqual(['a.json'])
  })

  it('gives what root writes to the owner of the directory, so that the daemon can read it', async () => {
    if (process.geteuid?.() === 0) chownSync(directory, NOBODY, NOBODY)
    const path = join(directory, 'decisions.json')
    await writeFileAtomically(path, '{}', 0o640)
    expect(statSync(path)).toMatchObject({ uid: statSync(directory).uid, gid: statSync(directory).gid })
  })
})

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { inPrivateDirectory } from './private-directory.ts'

let own: string
beforeEach(() => {
  own = mkdtempSync(join(tmpdir(), 'popauthd-test-'))
  vi.stubEnv('TMPDIR', own)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(own, { recursive: true })
})

it('is there for one alone, for the time of the work, and for root not where TMPDIR says', async () => {
  const made = await inPrivateDirectory(async (directory) => {
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    return directory
  })
  expect(dirname(made)).toBe(process.geteuid?.() === 0 ? '/tmp' : own)
  expect(existsSync(made)).toBe(false)
})

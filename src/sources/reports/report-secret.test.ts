import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SourceError } from '../../errors.ts'
import { ReportSecret } from './report-secret.ts'

const SECRET = 'b5e1c0ffee-b5e1c0ffee'
let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-secret-'))
  path = join(directory, 'secret')
})
afterEach(() => rmSync(directory, { recursive: true }))

function write(text: string, mode = 0o600): void {
  writeFileSync(path, text)
  chmodSync(path, mode)
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const none = { authorization: undefined, apiKey: undefined }

describe('ReportSecret', () => {
  it.each([0o600, 0o640, 0o400, 0o440])('reads a file of mode %o, its group may read too', async (mode) => {
    write(`${SECRET}\n`, mode)
    const secret = await ReportSecret.read(path)
    expect(secret.isIn({ ...none, apiKey: SECRET })).toBe(true)
    expect(JSON.stringify(secret)).not.toContain(SECRET)
  })

  it.each([0o644, 0o604, 0o602, 0o660, 0o666, 0o601])('refuses a file of mode %o', async (mode) => {
    write(`${SECRET}\n`, mode)
    await expect(ReportSecret.read(path)).rejects.toThrow(/its mode is 0\d+, so that others may read or change it/)
  })

  it.each([
    ['nothing', ''],
    ['too little', 'short\n'],
    ['two lines', `${SECRET}\n${SECRET}\n`],
    ['blanks', `${SECRET} ${SECRET}\n`],
    ['other characters', `${SECRET}\u00e9\n`],
    ['what a URL would take apart', `${SECRET}/@x\n`],
    ['too much', `${'x'.repeat(5000)}\n`],
  ])('refuses %s, without telling it', async (_name, text) => {
    write(text)
    const error = await ReportSecret.read(path).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(SourceError)
    if (text.length > 1) expect(String(error)).not.toContain(text.trim())
  })

  it('refuses what is no file', async () => {
    await expect(ReportSecret.read(path)).rejects.toThrow(`cannot use the secret in ${path}: no such file`)
    await expect(ReportSecret.read(directory)).rejects.toThrow('no ordinary file')
    symlinkSync('/dev/zero', path)
    await expect(ReportSecret.read(path)).rejects.toThrow('no ordinary file')
  })

  it.each([
    ['an API key', { ...none, apiKey: SECRET }],
    ['a bearer token', { ...none, authorization: `Bearer ${SECRET}` }],
    ['a password', { ...none, authorization: basic(`popauthd:${SECRET}`) }],
    ['a password of nobody', { ...none, authorization: basic(`:${SECRET}`) }],
  ])('is found as %s', (_name, headers) => {
    expect(new ReportSecret(SECRET).isIn(headers)).toBe(true)
  })

  it.each([
    ['nowhere', none],
    ['empty', { ...none, apiKey: '' }],
    ['cut', { ...none, apiKey: SECRET.slice(0, -1) }],
    ['with more', { ...none, apiKey: `${SECRET}x` }],
    ['in capitals', { ...none, apiKey: SECRET.toUpperCase() }],
    ['twice', { ...none, apiKey: `${SECRET}, ${SECRET}` }],
    ['as the user', { ...none, authorization: basic(`${SECRET}:x`) }],
    ['without a colon', { ...none, authorization: basic(SECRET) }],
    ['by another scheme', { ...none, authorization: `Digest ${SECRET}` }],
    ['as base64 of nothing', { ...none, authorization: 'Basic ====' }],
  ])('is not found %s', (_name, headers) => {
    expect(new ReportSecret(SECRET).isIn(headers)).toBe(false)
  })
})

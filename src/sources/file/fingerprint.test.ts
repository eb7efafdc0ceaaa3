/** Positions are taken back exactly, and nothing else is. */
import { describe, expect, it } from 'vitest'
import { decodePosition, encodePosition, type FileMark, fingerprintOf, hasFingerprint } from './fingerprint.ts'

const head = Buffer.from('Nov 22 10:00:00 host')
const mark: FileMark = {
  dev: '64769',
  ino: '18446744073709551615',
  offset: 12345,
  fingerprint: fingerprintOf(head),
  fingerprintBytes: head.length,
  path: '/var/log/mail.log',
}

describe('a position', () => {
  it('comes back as it was, through JSON', () => {
    for (const position of [{ current: mark }, { current: mark, old: { ...mark, ino: '7' } }])
      expect(decodePosition(JSON.parse(JSON.stringify(encodePosition(position))))).toEqual(position)
  })

  it.each([
    ['another version', { v: 2 }],
    ['an inode that is no number', { ino: '12x' }],
    ['a negative offset', { offset: -1 }],
    ['a broken offset', { offset: 0.5 }],
    ['a fingerprint without bytes', { fingerprintBytes: 0 }],
    ['bytes without a fingerprint', { fingerprint: '' }],
    ['a fingerprint longer than any', { fingerprintBytes: 100_000 }],
    ['no path', { path: null }],
  ])('is refused with %s', (_what, wrong) => {
    expect(decodePosition({ ...encodePosition({ current: mark }), ...wrong })).toBeUndefined()
  })
})

describe('a fingerprint', () => {
  it('fits a file that has grown, not one that begins differently or is shorter', () => {
    expect(hasFingerprint(Buffer.concat([head, Buffer.from(' more')]), mark)).toBe(true)
    expect(hasFingerprint(Buffer.from('Nov 22 10:00:01 host and more'), mark)).toBe(false)
    expect(hasFingerprint(head.subarray(0, -1), mark)).toBe(false)
  })
})

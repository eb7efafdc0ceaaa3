import { describe, expect, it } from 'vitest'
import { UsageError } from '../errors.ts'
import { formatDuration, parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['90s', 90],
    ['30m', 1800],
    ['1h', 3600],
    ['7d', 604_800],
    ['2w', 1_209_600],
    ['1h30m', 5400],
    ['1d12h', 129_600],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  it.each([
    '',
    '5',
    'h',
    '1.5h',
    '-1h',
    '1 h',
    '1H',
    '30min',
    '0s',
    '0h0m',
    '1m1h',
    '1h1h',
    '99999999999s',
    '11w999999d',
    '∞',
    '1h\n',
  ])('refuses %j and says how to write one', (text) => {
    expect(() => parseDuration(text)).toThrow(UsageError)
  })
})

describe('formatDuration', () => {
  it.each([
    [0, '0 s'],
    [-5, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [1770, '29 min 30 s'],
    [3600, '1 h'],
    [3605, '1 h'],
    [3660, '1 h 1 min'],
    [604_799, '6 d 23 h'],
    [86_460, '1 d'],
  ])('%d seconds are %s', (seconds, words) => {
    expect(formatDuration(seconds)).toBe(words)
  })
})

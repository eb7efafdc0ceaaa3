import { describe, expect, it } from 'vitest'
import type { LogLine } from '../core/log-line.ts'
import { Cursor } from './cursor.ts'
import { takePairs } from './logfmt.ts'

function pairsOf(message: string): Record<string, string> | string {
  const line: LogLine = {
    envelope: 'syslog3164',
    time: { kind: 'absolute', atMs: 0 },
    host: '',
    program: '',
    message,
    raw: message,
    messageColumn: 0,
  }
  const pairs = takePairs(new Cursor(line, undefined))
  return typeof pairs === 'string' ? pairs : Object.fromEntries([...pairs].map(([key, { text }]) => [key, text]))
}

describe('pairs of key=value', () => {
  it('are taken with and without quotes', () => {
    const text = 'r.clienthost="h.example [198.51.100.7]" u.username=alice login.magic=~null~ pop.subfolder="" x="a=b"'
    expect(pairsOf(text)).toEqual({
      'r.clienthost': 'h.example [198.51.100.7]',
      'u.username': 'alice',
      'login.magic': '~null~',
      'pop.subfolder': '',
      x: 'a=b',
    })
  })

  it.each([
    ['a=1 a=2', 'a= twice'],
    ['a="b\\" c=[6.6.6.6]"', 'no plain value of a='],
    ['a=b"c', 'the value of a= does not end here'],
    ['a="b"c=d', 'the value of a= does not end here'],
    ['a="b', 'no plain value of a='],
    ['a= b=c', 'no plain value of a='],
    ['a=b  c=d', 'not a key=value pair'],
    ['a=b ', 'not a key=value pair'],
    ['', 'not a key=value pair'],
    [Array.from({ length: 25 }, (_, i) => `k${i}=v`).join(' '), 'too many pairs'],
  ])('are none in %j', (text, reason) => {
    expect(pairsOf(text)).toBe(reason)
  })
})

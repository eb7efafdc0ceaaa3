import { describe, expect, it } from 'vitest'
import { encodeNetstring, NetstringDecoder } from './netstring.ts'

const push = (decoder: NetstringDecoder, text: string) => decoder.push(Buffer.from(text, 'latin1'))

describe('netstrings', () => {
  it('are written with their length in bytes', () => {
    expect(encodeNetstring('hello')).toBe('5:hello,')
    expect(encodeNetstring('')).toBe('0:,')
  })

  it('are cut out of a stream, several at a time and byte by byte', () => {
    const decoder = new NetstringDecoder(100)
    expect(push(decoder, '1:a,0:,3:b,c,2:')).toEqual({ payloads: ['a', '', 'b,c'], malformed: false })
    expect(decoder.partial).toBe(true)
    expect([...'de,'].flatMap((byte) => push(decoder, byte).payloads)).toEqual(['de'])
    expect(decoder.partial).toBe(false)
  })

  it.each(['x', ':', ',', '01:a,', '00:,', '1a:', '1:ab', '-1:a,', ' 1:a,', '101:', '1000', '99999999999'])(
    'refuses %j',
    (text) => {
      expect(push(new NetstringDecoder(100), text)).toEqual({ payloads: [], malformed: true })
    },
  )

  it('gives what came whole before a malformed one', () => {
    expect(push(new NetstringDecoder(100), '1:a,2:bcd')).toEqual({ payloads: ['a'], malformed: true })
  })

  it('takes the longest payload that is allowed', () => {
    const payload = 'x'.repeat(100)
    expect(push(new NetstringDecoder(100), encodeNetstring(payload)).payloads).toEqual([payload])
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Verdict } from './authorization.ts'
import {
  LONGEST_WHOSON_LINE,
  readWhosonDatagram,
  readWhosonLine,
  WhosonDecoder,
  whosonAnswer,
  whosonQueryAnswer,
} from './whoson.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const decoded = (...chunks: readonly string[]) => {
  const decoder = new WhosonDecoder()
  return { requests: chunks.flatMap((chunk) => [...decoder.push(bytes(chunk))]), partial: decoder.partial }
}
const query = { verb: 'QUERY', address: '192.0.2.1' }

describe('a request', () => {
  it.each([
    ['QUERY 192.0.2.1', query],
    ['query 192.0.2.1', query],
    ['QUERY   192.0.2.1  ', query],
    ['QUERY ::ffff:192.0.2.1', query],
    ['QUERY 2001:DB8:0:0:0:0:0:1', { verb: 'QUERY', address: '2001:db8::1' }],
    ['LOGOUT 192.0.2.1', { verb: 'LOGOUT', address: '192.0.2.1' }],
    ['LOGIN 192.0.2.1 alice', { verb: 'LOGIN', address: '192.0.2.1', user: 'alice' }],
    ['LOGIN 192.0.2.1  alice b  ', { verb: 'LOGIN', address: '192.0.2.1', user: 'alice b' }],
    ['LOGIN 192.0.2.1 M\xc3\xbcller', { verb: 'LOGIN', address: '192.0.2.1', user: 'Müller' }],
    ['LOGIN 192.0.2.1 voil\xc3\xa0 ', { verb: 'LOGIN', address: '192.0.2.1', user: 'voilà' }],
    ['LOGIN 192.0.2.1', { verb: 'LOGIN', address: '192.0.2.1', user: '' }],
    ['QUIT', { verb: 'QUIT' }],
  ])('%j is one', (line, request) => {
    expect(readWhosonLine(line)).toEqual(request)
  })

  it.each([
    ['', 'unknown'],
    [' QUERY 192.0.2.1', 'unknown'],
    ['QUERY', 'unknown'],
    ['QUERY 192.0.2', 'unknown'],
    ['QUERY 192.0.2.01', 'unknown'],
    ['QUERY [2001:db8::1]', 'unknown'],
    ['QUERY fe80::1%eth0', 'unknown'],
    ['QUERY host.example.net', 'unknown'],
    ['QUERY 192.0.2.1 192.0.2.2', 'unknown'],
    ['LOGOUT 192.0.2.1 alice', 'unknown'],
    ['QUIT now', 'unknown'],
    ['LIST', 'unknown'],
    ['GET / HTTP/1.1', 'unknown'],
    ['constructor 192.0.2.1', 'unknown'],
    ['LOGIN 192.0.2.1 \xff\xfe', 'unknown'],
    ['LOGIN 192.0.2.1 \xc2\x85', 'unknown'],
    ['LOGIN 192.0.2.1 \xe2\x80\xa8', 'unknown'],
    [`LOGIN 192.0.2.1 ${'a'.repeat(256)}`, 'unknown'],
    ['QUERY\t192.0.2.1', 'broken'],
    ['QUERY 192.0.2.1\0', 'broken'],
    ['LOGIN 192.0.2.1 a\rLOGIN 192.0.2.2 b', 'broken'],
  ])('%j is none', (line, fault) => {
    expect(readWhosonLine(line)).toMatchObject({ fault, why: expect.stringMatching(/^[A-Za-z ]+$/) })
  })

  it.each([
    'QUERY 192.0.2.1',
    'QUERY 192.0.2.1\n',
    'QUERY 192.0.2.1\r\n',
    'QUERY 192.0.2.1\r\n\r\n',
    'QUERY 192.0.2.1\n\n',
  ])('fills a datagram: %j', (datagram) => {
    expect(readWhosonDatagram(bytes(datagram))).toEqual(query)
  })

  it.each(['', '\r\n', 'QUERY 192.0.2.1\r\nQUERY 192.0.2.2', 'QUERY 192.0.2.1\r\n\r\nQUERY 192.0.2.2\r\n\r\n'])(
    'is not in the datagram %j',
    (datagram) => {
      expect(readWhosonDatagram(bytes(datagram))).toHaveProperty('fault')
    },
  )

  it('is none in a datagram that is too long', () => {
    expect(readWhosonDatagram(bytes(`QUERY 192.0.2.1${' '.repeat(LONGEST_WHOSON_LINE)}`))).toHaveProperty('fault')
  })
})

describe('a stream of requests', () => {
  const out = { verb: 'LOGOUT', address: '192.0.2.2' }

  it('is cut at empty lines, with CR or without', () => {
    expect(decoded('QUERY 192.0.2.1\r\n\r\nLOGOUT 192.0.2.2\n\nQUERY 192.0.2.1\n\r\n')).toEqual({
      requests: [query, out, query],
      partial: false,
    })
  })

  it('bears empty lines between requests', () => {
    expect(decoded('\r\n\r\nQUERY 192.0.2.1\r\n\r\n\r\n\n')).toEqual({ requests: [query], partial: false })
  })

  it('gives nothing before the empty line', () => {
    expect(decoded('QUERY 192.0.2.1\r\n')).toEqual({ requests: [], partial: true })
    expect(decoded('QUERY 192.0.2.1\r\n\r')).toEqual({ requests: [], partial: true })
    expect(decoded('QUERY 192.0.2.1')).toEqual({ requests: [], partial: true })
  })

  it('gives nothing of a request of several lines, and goes on behind its empty line', () => {
    const { requests } = decoded('LOGIN 192.0.2.1 a\r\nLOGIN 192.0.2.2 b\r\nx\r\n\r\nLOGOUT 192.0.2.2\r\n\r\n')
    expect(requests).toEqual([{ fault: 'broken', why: 'more than one line' }, out])
  })

  it('passes over a line that is too long, whatever its pieces, and holds none of it', () => {
    const long = Array.from({ length: 100 }, () => 'x'.repeat(1000))
    expect(decoded(...long).partial).toBe(true)
    const { requests, partial } = decoded('LOGIN 192.0.2.1 ', ...long, '\r\nLOGOUT 192.0.2.2\r\n\r\n')
    expect(requests).toEqual([{ fault: 'broken', why: 'a line that is too long' }, out])
    expect(partial).toBe(false)
  })

  it('takes the longest line there may be', () => {
    const line = `QUERY 192.0.2.1${' '.repeat(LONGEST_WHOSON_LINE - 15)}`
    expect(decoded(`${line}\r\n\r\n`).requests).toEqual([query])
  })

  it('gives the same however it is cut, and never more than its bytes say', () => {
    const piece = fc.oneof(
      fc.constantFrom('QUERY 192.0.2.1\r\n\r\n', 'LOGIN 192.0.2.1 a\r\n\r\n', '\n', '\r', '\r\n', 'QUIT', ' '),
      fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array).toString('latin1')),
      fc.nat(3000).map((length) => 'y'.repeat(length)),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(40), (pieces, size) => {
        const text = pieces.join('')
        const whole = decoded(text)
        const cut = decoded(...(text.match(new RegExp(`[\\s\\S]{1,${size + 1}}`, 'g')) ?? []))
        expect(cut).toEqual(whole)
        const commands = whole.requests.filter((request) => 'verb' in request)
        expect(commands.length).toBeLessThanOrEqual(text.match(/(?:login|logout|query|quit)/gi)?.length ?? 0)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('an answer', () => {
  const login = (user: string): Verdict => ({ authorized: true, reason: 'login', detail: '', user })

  it.each([
    [login('alice@example.net'), '+alice@example.net\r\n\r\n'],
    [login('a b'), '+a b\r\n\r\n'],
    [login('a\r\n\r\n-x'), '+a????-x\r\n\r\n'],
    [login('Müller😀\u2028'), '+M?ller??\r\n\r\n'],
    [login(`${'a'.repeat(63)}bc`), `+${'a'.repeat(63)}b\r\n\r\n`],
    [{ authorized: true, reason: 'allowed', detail: '' } as Verdict, '+OPERATOR\r\n\r\n'],
    [{ authorized: false, reason: 'expired', detail: 'x' } as Verdict, '-not logged in\r\n\r\n'],
    [undefined, '*not ready, ask again\r\n\r\n'],
  ])('to a QUERY of %j is %j', (verdict, answer) => {
    expect(whosonQueryAnswer(verdict)).toBe(answer)
  })

  it('is one line of printable ASCII within the 80 bytes of Exim, whatever it says', () => {
    fc.assert(
      fc.property(fc.constantFrom('+', '-', '*'), fc.string({ unit: 'binary', maxLength: 400 }), (sign, text) => {
        const answer = whosonAnswer(sign as '+', text)
        expect(answer).toMatch(/^[+*-][ -~]{0,64}\r\n\r\n$/)
      }),
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import { opensmtpdProtocol } from './protocol.ts'
import { LineCutter, MAX_LINE_BYTES, outcomeOf, parseRequest, requestLine } from './table-lines.ts'

const yes: Verdict = { authorized: true, reason: 'login', detail: '' }
const no: Verdict = { authorized: false, reason: 'unknown', detail: '' }
const known = (address: ClientAddress) => (['192.0.2.7', '2001:db8::7'].includes(address) ? yes : no)
const answers = (line: string, lookup: (address: ClientAddress) => Verdict | undefined = known) =>
  opensmtpdProtocol.session(lookup).push(Buffer.from(line, 'latin1'))
const answerTo = (rest: string) => answers(`table|0.1|1713795103.314423|popauth|${rest}\n`).answers

describe('requests', () => {
  it.each([
    ['check|netaddr|e5862859|192.0.2.7', 'check-result|e5862859|found\n'],
    ['check|netaddr|e5862859|192.0.2.8', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|[2001:db8::7]', 'check-result|e5862859|found\n'],
    ['check|netaddr|e5862859|[2001:0db8:0:0:0:0:0:7]', 'check-result|e5862859|found\n'],
    ['check|netaddr|e5862859|[2001:db8::8]', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|[::ffff:192.0.2.7]', 'check-result|e5862859|found\n'],
    ['check|netaddr|e5862859|2001:db8::7', 'check-result|e5862859|found\n'],
    ['check|netaddr|e5862859|[192.0.2.7]', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|192.0.2.7/32', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|[fe80::1%eth0]', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|local', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|192.0.2.7|x', 'check-result|e5862859|not-found\n'],
    ['check|netaddr|e5862859|a|b||c', 'check-result|e5862859|not-found\n'],
    [`check|netaddr|e5862859|${'1'.repeat(60_000)}`, 'check-result|e5862859|not-found\n'],
    ['lookup|netaddr|f993c74|192.0.2.7', 'lookup-result|f993c74|found|192.0.2.7\n'],
    ['lookup|netaddr|f993c74|[2001:db8::7]', 'lookup-result|f993c74|found|[2001:db8::7]\n'],
    ['lookup|netaddr|f993c74|192.0.2.8', 'lookup-result|f993c74|not-found\n'],
    ['update|478ff0d2', 'update-result|478ff0d2|ok\n'],
    ['fetch|netaddr|189bd3ee', 'fetch-result|189bd3ee|error|popauthd does not do "fetch"\n'],
    ['frobnicate|netaddr|1|x', 'frobnicate-result|1|error|popauthd does not do "frobnicate"\n'],
  ])('%s', (request, answer) => {
    expect(answerTo(request)).toBe(answer)
  })

  const misused = 'error|popauthd knows addresses of clients only: use the table after "from src"\n'
  it.each([
    ['check|regex|1|192.0.2.7', `check-result|1|${misused}`],
    ['lookup|credentials|1|boss', `lookup-result|1|${misused}`],
    ['fetch|source|1', `fetch-result|1|${misused}`],
    ['ping|1', `ping-result|1|${misused}`],
  ])('%s: of another service', (request, answer) => {
    expect(answerTo(request)).toBe(answer)
  })

  it('says that it cannot tell while the table is not loaded', () => {
    const { answers: text } = answers('table|0.1|0|popauth|check|netaddr|1|192.0.2.7\n', () => undefined)
    expect(text).toBe('check-result|1|error|the table of authorizations is not loaded yet\n')
  })

  it.each([
    '',
    'config|ready',
    'table',
    'table|0.1|0|popauth',
    'table|0.1|0|popauth|update',
    'table|0.1|0|popauth|update|',
    'table|0.1|0|popauth|check|netaddr||192.0.2.7',
    'table|0.1|0|popauth|check|netaddr|a b|192.0.2.7',
    'table|0.1|0|popauth|CHECK|netaddr|1|192.0.2.7',
    `table|0.1|0|popauth|check|netaddr|${'1'.repeat(65)}|192.0.2.7`,
    'TABLE|0.1|0|popauth|check|netaddr|1|192.0.2.7',
  ])('%j is none', (line) => {
    expect(parseRequest(line)).toBeUndefined()
    expect(answers(`${line}\n`)).toEqual({ answers: '', requests: 0, isOver: true })
  })

  it('are written as they are read', () => {
    const request = { operation: 'check', service: 'netaddr', id: '17', key: '[2001:db8::7]' }
    expect(requestLine(request)).toBe('table|0.1|0.000000|popauth|check|netaddr|17|[2001:db8::7]\n')
    expect(parseRequest(requestLine(request).trimEnd())).toEqual(request)
  })

  it('of any bytes get one answer that smtpd can parse, or none', () => {
    const field = fc.oneof(
      fc.constantFrom('check', 'lookup', 'update', 'fetch', 'netaddr', '7', '192.0.2.7', ''),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\n', '')),
    )
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
        const { answers: text, isOver } = answers(`table|0.1|0|popauth|${fields.join('|')}\n`)
        if (isOver) expect(text).toBe('')
        else
          expect(text).toMatch(
            /^[a-z]+-result\|[\x21-\x7b\x7d\x7e]{1,64}\|(?:ok|found(?:\|[^\n]+)?|not-found|error\|[^\n]+)\n$/,
          )
      }),
      { numRuns: 3000 },
    )
  })
})

describe('outcomes of another process', () => {
  const check = { operation: 'check', service: 'netaddr', id: '1', key: '192.0.2.7' }
  const lookup = { ...check, operation: 'lookup' }

  it.each(['found', 'not-found', 'error|not loaded yet'])('%s is one', (text) => {
    expect(outcomeOf(check, text)).toBe(text)
  })

  it.each([
    '',
    'ok',
    'found|',
    'found|192.0.2.7',
    'FOUND',
    'error',
    'error|',
    'error|\x1b[31m',
    `error|${'x'.repeat(201)}`,
    'not-found ',
  ])('%j is none', (text) => {
    expect(outcomeOf(check, text)).toBeUndefined()
  })

  it('must hold the address that was looked up', () => {
    expect(outcomeOf(lookup, 'found|192.0.2.7')).toBe('found|192.0.2.7')
    for (const text of ['found', 'found|', 'found|192.0.2.8', 'found|0.0.0.0/0'])
      expect(outcomeOf(lookup, text)).toBeUndefined()
  })
})

describe('LineCutter', () => {
  it('gives the same lines however the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'bc\n', '\n', 'def'), { maxLength: 30 }), (pieces) => {
        const cutter = new LineCutter()
        const lines = pieces.flatMap((piece) => cutter.push(piece))
        const all = pieces.join('').split('\n')
        expect(cutter.partial).toBe(all.pop() !== '')
        expect(lines).toEqual(all)
      }),
    )
  })

  it('keeps the beginning of what is too long', () => {
    const cutter = new LineCutter()
    for (let i = 0; i < 3; i++) expect(cutter.push('x'.repeat(MAX_LINE_BYTES))).toEqual([])
    expect(cutter.push(`y\n${'z'.repeat(5000)}\n`)).toEqual(['x'.repeat(MAX_LINE_BYTES), 'z'.repeat(MAX_LINE_BYTES)])
    expect(cutter.partial).toBe(false)
  })
})

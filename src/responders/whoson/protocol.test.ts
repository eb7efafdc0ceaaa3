import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import type { Lookup } from '../responder.ts'
import { whosonProtocol } from './protocol.ts'

const lookup = (address: ClientAddress): Verdict =>
  address === '192.0.2.1'
    ? { authorized: true, reason: 'login', detail: '', user: 'alice' }
    : { authorized: false, reason: 'unknown', detail: '' }
const said = (text: string, by: Lookup = lookup) => whosonProtocol.session(by).push(Buffer.from(text, 'latin1'))
const sent = (text: string, by: Lookup = lookup) => whosonProtocol.datagram?.(Buffer.from(text, 'latin1'), by)
const NOT_HERE = '*LOGIN and LOGOUT: at a whoson source only (docs/whoson.md)\r\n\r\n'

describe('whoson over a connection', () => {
  it.each([
    ['QUERY 192.0.2.1\r\n\r\n', '+alice\r\n\r\n'],
    ['QUERY 192.0.2.2\r\n\r\n', '-not logged in\r\n\r\n'],
    ['LOGIN 192.0.2.2 mallory\r\n\r\n', NOT_HERE],
    ['LOGOUT 192.0.2.1\r\n\r\n', NOT_HERE],
    ['LIST\r\n\r\n', '*no such command\r\n\r\n'],
    ['QUERY localhost\r\n\r\n', '*no IP address\r\n\r\n'],
  ])('%j is answered with %j, and it goes on', (request, answer) => {
    expect(said(request)).toEqual({ answers: answer, requests: 1, isOver: false })
  })

  it('ends with QUIT', () => {
    expect(said('QUERY 192.0.2.2\r\n\r\nQUIT\r\n\r\nQUERY 192.0.2.1\r\n\r\n')).toEqual({
      answers: '-not logged in\r\n\r\n+bye\r\n\r\n',
      requests: 2,
      isOver: true,
    })
  })

  it('ends with bytes that no request holds', () => {
    expect(said('QUERY 192.0.2.1\r\nX: y\r\n\r\nQUERY 192.0.2.1\r\n\r\n')).toEqual({
      answers: '*more than one line\r\n\r\n',
      requests: 1,
      isOver: true,
    })
  })

  it('says neither yes nor no while the table is not loaded', () => {
    expect(said('QUERY 192.0.2.2\r\n\r\n', () => undefined).answers).toBe('*not ready, ask again\r\n\r\n')
  })
})

describe('whoson in datagrams', () => {
  it.each([
    ['QUERY 192.0.2.1\r\n\r\n', '+alice\r\n\r\n'],
    ['QUERY 192.0.2.2\r\n\r\n', '-not logged in\r\n\r\n'],
    ['LOGIN 192.0.2.2 mallory\r\n\r\n', NOT_HERE],
    ['QUIT\r\n\r\n', '+bye\r\n\r\n'],
  ])('%j is answered with %j', (datagram, answer) => {
    expect(sent(datagram)).toBe(answer)
  })

  it.each([
    '',
    '\r\n\r\n',
    'LIST\r\n\r\n',
    'QUERY x\r\n\r\n',
    '\0'.repeat(400),
    '+alice\r\n\r\n',
    '*no such command\r\n\r\n',
  ])('%j is not answered', (datagram) => {
    expect(sent(datagram)).toBeUndefined()
  })
})

/**
 * Qpopper 2.5 to 4.1: the login line (`LOG_LOGIN`, `log-login`) and the statistics line (`-s`), which a session that had logged in
 * writes at its end. Left out: `log-login` formats of an operator's own making.
 */
import type { LogLine } from '../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS, HOST_NAME, IP_ADDRESS } from './cursor.ts'
import { parseLoggedAddress } from './logged-address.ts'
import type { ParsedField, ParseResult, Parser } from './parser.ts'
import { foreign, forged, senderMismatch } from './sender.ts'

const TITLE = 'Qpopper'
const PROGRAMS = new Set(['popper', 'qpopper', 'qpopperd', 'popperd', 'in.popper', 'in.qpopper', 'in.qpopperd'])
const VERSION = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-')
const USER = charsExcept('"() ')
const SOURCE_FILE = charSet('abcdefghijklmnopqrstuvwxyz_0123456789.')
const LONGEST_USER = 128
const LONGEST_HOST = 255

/** The parser for Qpopper. */
export const qpopper: Parser = {
  id: 'qpopper',
  title: TITLE,
  literals: ['POP login by user ', 'Stats: '],
  forgeryMarks: ['POP login by user '],
  parse,
}

function parse(line: LogLine): ParseResult {
  const isTrace = line.envelope === 'own-file' && line.program === ''
  if (!isTrace && !PROGRAMS.has(line.program)) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROGRAMS)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line)
  if (isTrace) cursor.skip(' ')
  return cursor.skip('Stats: ') ? parseStatistics(cursor) : parseLogin(cursor)
}

/** `(v4.0.5) POP login by user "alice" at (host.example) 198.51.100.7 [pop_log.c:244]`. */
function parseLogin(cursor: Cursor): ParseResult {
  if (!skipVersion(cursor) || !cursor.skip('POP login by user "')) {
    return cursor.fail(cursor.text.includes('POP login by user ') ? 'suspect' : 'ordinary', 'not a success line')
  }
  const user = cursor.take(USER, LONGEST_USER)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  const fields = [cursor.field('user', user)]
  if (!cursor.skip('" at (')) return cursor.fail('suspect', 'the user name does not end here')
  const host = cursor.take(HOST_NAME, LONGEST_HOST)
  if (host === undefined) return cursor.fail('suspect', 'no host name')
  fields.push(cursor.field('host', host))
  if (!cursor.skip(') ')) return cursor.fail('suspect', 'the host name does not end here')
  return parseAddress(cursor, user, fields)
}

function skipVersion(cursor: Cursor): boolean {
  return cursor.skip('(v') && cursor.take(VERSION, 32) !== undefined && cursor.skip(') ')
}

/** `Stats: alice 0 0 3 4120 host.example 198.51.100.7`: deleted, their bytes, left, their bytes. Old versions have no host. */
function parseStatistics(cursor: Cursor): ParseResult {
  cursor.skip(' ')
  const user = cursor.take(USER, LONGEST_USER)
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  const fields = [cursor.field('user', user)]
  for (let count = 0; count < 4; count++) {
    if (!cursor.skip(' ') || cursor.take(DIGITS, 20) === undefined) return cursor.fail('suspect', 'not four numbers')
  }
  if (!cursor.skip(' ')) return cursor.fail('suspect', 'no address')
  const start = cursor.at
  const host = cursor.take(HOST_NAME, LONGEST_HOST)
  if (host !== undefined && cursor.text[cursor.at] === ' ' && cursor.text[cursor.at + 1] !== '[') {
    fields.push(cursor.field('host', host))
    cursor.skip(' ')
  } else cursor.at = start
  return parseAddress(cursor, user, fields)
}

/** The address and what a debugging build appends; then the message must end. */
function parseAddress(cursor: Cursor, user: string, fields: ParsedField[]): ParseResult {
  const start = cursor.at
  const text = cursor.take(IP_ADDRESS, 45)
  const address = text === undefined ? undefined : parseLoggedAddress(text)
  if (text === undefined || address === undefined) {
    cursor.at = start
    return cursor.fail('suspect', 'not a client address')
  }
  fields.push(cursor.field('address', text))
  if (!skipSourcePlace(cursor) || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'pop3' }, fields }
}

/** ` [pop_log.c:244]`. */
function skipSourcePlace(cursor: Cursor): boolean {
  if (!cursor.skip(' [')) return true
  if (cursor.take(SOURCE_FILE, 40) === undefined || !cursor.skip(':')) return false
  return cursor.take(DIGITS, 6) !== undefined && cursor.skip(']')
}

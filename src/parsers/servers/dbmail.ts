/**
 * DBMail by syslog. IMAP of 2.3 to 3.x tells user and address in one line (src/dm_imapsession.c). 2.2 has a process for each connection
 * (serverchild.c, pop3.c, dbmail-imapsession.c): its lines are joined by process. Left out: POP3 from 2.3 on, whose success line has no
 * address and whose one process serves all clients at once; versions before 2.2; DBMail's own file (tag `dbmail-imapd`) and its standard
 * error, where a line feed in the name of a failed login starts a line of the client's own.
 */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charSet, charsExcept, DIGITS, HOST_NAME, IP_ADDRESS, WORD } from '../cursor.ts'
import { parseLoggedAddress, takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'DBMail'
/** rsyslog's RFC 5424 cuts `dbmail/imap4d` at the slash. */
const SERVICES = new Map<string, 'pop3' | 'imap' | 'any'>([
  ['dbmail/imap4d', 'imap'],
  ['dbmail/pop3d', 'pop3'],
  ['dbmail', 'any'],
])
const PROCESSES = new Set(['dbmail-imapd', 'dbmail-pop3d'])
const USER = charsExcept('[]"')
const PLAIN_USER = charsExcept('[]()<>," ')
const POINTER = charSet('0123456789abcdefx')
const HEX_LENGTH = 20
const LONGEST_USER = 128
const LONGEST_HOST = 255
const LONGEST_PLACE = 52

/** The parser for DBMail. */
export const dbmail: Parser = {
  id: 'dbmail',
  title: TITLE,
  literals: ['login accepted', 'incoming connection from [', ' logged in [messages='],
  forgeryMarks: ['login accepted: id ['],
  sample: [
    'Nov 22 15:17:04 mx1 dbmail/imap4d[301]: Notice: [0x7fc9bb90bf00] login accepted: id [6] user [carol] from [203.0.113.42:42263]',
  ],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const service = SERVICES.get(line.program)
  if (service === undefined) return PROCESSES.has(line.program) ? ownFile(line) : foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  skipPointer(cursor)
  if (cursor.skip('Notice')) return parseNotice(cursor, service)
  if (cursor.skip('Message')) return parseMessage(cursor, service)
  if (cursor.skip('Info:') && skipFile(cursor)) return parseConnection(cursor)
  return cursor.fail('ordinary', 'not of the level of a login')
}

/** Said aloud, so that whoever lets this file be read learns why nothing comes of it. */
function ownFile(line: LogLine): ParseResult {
  const reason = "of DBMail's own file, into which clients can write lines of their own: let it log to syslog"
  return { kind: 'none', mismatch: 'suspect', reason, column: line.messageColumn }
}

/** 2.3 to 3.x: `: [0x7f0] login accepted: id [6] user [carol] from [203.0.113.42:42263]`, in old versions without the id. */
function parseNotice(cursor: Cursor, service: 'pop3' | 'imap' | 'any'): ParseResult {
  if (!skipFunction(cursor) || !skipPointer(cursor) || !cursor.skip('login accepted: ')) {
    const isPop3 = cursor.text.endsWith(']') && cursor.text.includes(' logged in [messages=')
    const reason = isPop3 ? 'a POP3 login of a version that logs no address with it' : 'not a success line'
    return cursor.fail('ordinary', reason)
  }
  if (service === 'pop3') return cursor.fail('suspect', 'an IMAP login of the POP3 server')
  if (cursor.skip('id [') && (!cursor.pass(DIGITS, 20) || !cursor.skip('] '))) return cursor.fail('suspect', 'no id')
  const start = cursor.at + 'user ['.length
  const user = cursor.skip('user [') ? cursor.take(USER, LONGEST_USER) : undefined
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  cursor.note('user', start)
  if (!cursor.skip('] from [')) return cursor.fail('suspect', 'the user name does not end here')
  const address = takePlace(cursor)
  if (address === undefined) return cursor.fail('suspect', 'not a client address with a port')
  if (!cursor.skip(']') || !cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service: 'imap' } }
}

/** 2.2: `user alice logged in [messages=0, octets=0]`, `user (id 5, name alice) login accepted`, or the connection. */
function parseMessage(cursor: Cursor, service: 'pop3' | 'imap' | 'any'): ParseResult {
  if (cursor.skip(':') ? !skipFile(cursor) : !cursor.skip(' ')) return cursor.fail('ordinary', 'not a line of 2.2')
  if (cursor.text.startsWith('incoming ', cursor.at)) return parseConnection(cursor)
  if (!cursor.skip('user ')) return cursor.fail('ordinary', 'not a success line')
  const isImap = cursor.skip('(id ') && cursor.pass(DIGITS, 20) && cursor.skip(', name ')
  const user = cursor.take(PLAIN_USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('ordinary', 'no user name')
  if (isImap ? !cursor.skip(') login accepted') : !skipCounts(cursor)) {
    return cursor.fail('ordinary', 'not a success line')
  }
  if (!cursor.ended) return cursor.fail('suspect', 'text after a success line')
  const told = isImap ? 'imap' : 'pop3'
  if (service !== 'any' && service !== told) return cursor.fail('suspect', `a ${told} login of the other server`)
  return { kind: 'login_without_address', user, service: told }
}

/** ` logged in [messages=0, octets=0]`. */
function skipCounts(cursor: Cursor): boolean {
  if (!cursor.skip(' logged in [messages=') || !cursor.pass(DIGITS, 20)) return false
  return cursor.skip(', octets=') && cursor.pass(DIGITS, 20) && cursor.skip(']')
}

/** 2.2: `incoming connection from [198.51.100.7 (host.example)] by pid [301]`, from 2.2.14 on `[198.51.100.7:4711 (host.example)]`. */
function parseConnection(cursor: Cursor): ParseResult {
  if (!cursor.skip('incoming connection from [')) return cursor.fail('ordinary', 'not the line of a connection')
  const start = cursor.at
  let address = takePlace(cursor)
  if (address === undefined) {
    cursor.at = start
    address = takeAddress(cursor, 'address')
  }
  if (address === undefined) return cursor.failConnection('suspect', 'not a client address')
  if (cursor.skip(' (')) {
    const isNamed = cursor.skip('Lookup failed') || cursor.pass(HOST_NAME, LONGEST_HOST)
    if (!isNamed || !cursor.skip(')')) return cursor.failConnection('suspect', 'not a host name')
  }
  if (!cursor.skip(']')) return cursor.failConnection('suspect', 'the address does not end here')
  if (cursor.skip(' by pid [') && !cursor.skip(`${cursor.line.pid}]`))
    return cursor.failConnection('suspect', 'another process')
  return cursor.ended ? { kind: 'connect', address } : cursor.failConnection('suspect', 'text after the address')
}

/** `198.51.100.7:42263`, `2001:db8::7:42263`: behind the last colon stands the port. */
function takePlace(cursor: Cursor): ClientAddress | undefined {
  const start = cursor.at
  const place = cursor.take(IP_ADDRESS, LONGEST_PLACE)
  const colon = place?.lastIndexOf(':') ?? -1
  if (place === undefined || colon < 0 || !/^\d{1,5}$/.test(place.slice(colon + 1))) return undefined
  const address = parseLoggedAddress(place.slice(0, colon))
  if (address !== undefined) cursor.note('address', start)
  return address
}

/** `[0x7fc9bb90bf00] `: the session, or the thread. */
function skipPointer(cursor: Cursor): boolean {
  return cursor.skip('[0x') && cursor.pass(POINTER, HEX_LENGTH) && cursor.skip('] ')
}

/** `: ` or `:[imap] dbmail_imap_session_handle_auth(+1301): `. */
function skipFunction(cursor: Cursor): boolean {
  if (!cursor.skip(':')) return false
  return cursor.skip(' ') || skipModule(cursor, false)
}

/** `[server] serverchild.c,PerformChildTask(+344): `: only 2.2 names the file. */
function skipFile(cursor: Cursor): boolean {
  return skipModule(cursor, true)
}

function skipModule(cursor: Cursor, withFile: boolean): boolean {
  if (!cursor.skip('[') || !cursor.pass(WORD, 40) || !cursor.skip('] ')) return false
  if (withFile && (!cursor.pass(WORD, 60) || !cursor.skip(','))) return false
  return cursor.pass(WORD, 80) && cursor.skip('(+') && cursor.pass(DIGITS, 6) && cursor.skip('): ')
}

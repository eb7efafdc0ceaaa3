/**
 * GNU pop3d and imap4d before Mailutils 2.0. Mailutils 0.1 to 1.2 (pop3d/pop3d.c, user.c, apop.c; imap4d/imap4d.c, login.c, authenticate.c)
 * write the address in the line of the connection, the user in that of the login, joined by process. gnu-pop3d 0.9.8 could write both in one
 * line; its form is that of pop-before-smtp 1.x. Left out: Mailutils from 2.0 on, which logs no address; anonymous IMAP users.
 */
import type { LogLine } from '../../core/log-line.ts'
import { Cursor, charsExcept, DIGITS } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'

const TITLE = 'GNU pop3d and imap4d (before Mailutils 2.0)'
const SERVICES = new Map<string, 'pop3' | 'imap'>([
  ['gnu-pop3d', 'pop3'],
  ['gnu-imap4d', 'imap'],
])
const PROCESSES = new Set([...SERVICES.keys(), 'pop3d', 'imap4d'])
const USER = charsExcept('\'`"()[]<>: ')
const PATH = charsExcept('\'`"()[]<>, ')
const LONGEST_USER = 128
const LONGEST_PATH = 255
/** No login may follow these with the address of an earlier connection of the process. */
const OVER = ['Incoming connection opened', 'Session ended', 'Session timed out', 'Session terminating']

/** The parser for GNU pop3d and imap4d. The line of the connection holds nothing rare, so its lines are found by their tags. */
export const gnuPop3d: Parser = {
  id: 'gnu-pop3d',
  title: TITLE,
  literals: ['gnu-pop3d', 'gnu-imap4d'],
  forgeryMarks: [],
  sample: [
    'Apr  9 08:40:00 mail gnu-pop3d[511]: connect from 198.51.100.7',
    "Apr  9 08:40:01 mail gnu-pop3d[511]: User `alice' logged in with mailbox `/var/mail/alice' (2 messages)",
  ],
  parse,
}

function parse(line: LogLine, fields?: ParsedField[]): ParseResult {
  const service = SERVICES.get(line.program)
  if (service === undefined) return foreign(TITLE, line)
  const misfit = senderMismatch(line, PROCESSES)
  if (misfit !== undefined) return forged(misfit)
  const cursor = new Cursor(line, fields)
  if (cursor.skip('connect from ') || cursor.skip('Connect from ')) return parseConnection(cursor)
  if (cursor.skip('User ')) return parseLogin(cursor, service)
  if (OVER.some((words) => cursor.skip(words))) return { kind: 'disconnect' }
  return cursor.fail('ordinary', 'not a line of a connection or login')
}

function parseConnection(cursor: Cursor): ParseResult {
  const address = takeAddress(cursor, 'address')
  // tcpd writes such lines too, with a name in place of the address.
  if (address === undefined || !cursor.ended) return cursor.failConnection('ordinary', 'not a client address')
  return { kind: 'connect', address }
}

/** ``alice' logged in with mailbox `/var/mail/alice' (2 messages)``, `bob logged in with mailbox /home/bob/Mailbox from 198.51.100.7`. */
function parseLogin(cursor: Cursor, service: 'pop3' | 'imap'): ParseResult {
  const suspicion = cursor.text.includes(' logged in') ? 'suspect' : 'ordinary'
  const isQuoted = cursor.skipOneOf(["'", '`']) !== undefined
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail(suspicion, 'no user name')
  if ((isQuoted && !cursor.skip("'")) || !cursor.skip(' logged in')) return cursor.fail(suspicion, 'not a success line')
  if (service === 'pop3' && !skipMailbox(cursor)) return cursor.fail('suspect', 'not the name of a mailbox')
  if (cursor.ended) return { kind: 'login_without_address', user, service }
  const address = service === 'pop3' && !isQuoted && cursor.skip(' from ') ? takeAddress(cursor, 'address') : undefined
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (!cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service } }
}

/** ` with mailbox '/var/mail/alice' (2 msgs)`, `/var/mail/alice`. */
function skipMailbox(cursor: Cursor): boolean {
  if (!cursor.skip(' with mailbox ')) return false
  const isQuoted = cursor.skipOneOf(["'", '`']) !== undefined
  if (!cursor.pass(PATH, LONGEST_PATH) || (isQuoted && !cursor.skip("'"))) return false
  if (!cursor.skip(' (')) return true
  return cursor.pass(DIGITS, 20) && cursor.skipOneOf([' msgs)', ' messages)', ' message)']) !== undefined
}

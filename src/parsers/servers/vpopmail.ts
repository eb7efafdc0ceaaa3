/**
 * vpopmail's vchkpw, which authenticates for qmail-pop3d and others: `vchkpw-pop3: (PLAIN) login success alice@example.com:198.51.100.7`
 * (5.3 to 5.6, vchkpw.c), without the mechanism (5.2), and `vchkpw: login [alice@example.com] from 198.51.100.7` (4.x). Written only where
 * vpopmail was built with `--enable-logging=y` or `=v`. Left out: SMTP, webmail, and ports that are not those of POP3 and IMAP.
 */
import { type Cursor, charSet, charsExcept } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { messagesOf } from '../sender.ts'

const TITLE = 'vpopmail'
/** `--enable-log-name`: vpopmail unless somebody changed it. */
const PROGRAMS = new Set(['vpopmail', 'vchkpw'])
const PROCESSES = new Set(['vchkpw'])
const VIRTUAL = 'login success '
const SYSTEM = 'system password login success '
const BRACKETED = 'login ['

/** What stands in front of the text, told by the local port. Up to 5.2 there is only `vchkpw`. */
const SERVICES = new Map<string, 'pop3' | 'imap'>([
  ['vchkpw', 'pop3'],
  ['vchkpw-pop3', 'pop3'],
  ['vchkpw-pop3s', 'pop3'],
  ['vchkpw-imap', 'imap'],
  ['vchkpw-imaps', 'imap'],
])
const NAME = charSet('abcdefghijklmnopqrstuvwxyz0123456789-')
const MECHANISM = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-')
/** vpopmail refuses all but some ASCII characters before it looks for an account; a colon is not among them. */
const USER = charsExcept(':,;<>()[]"\\ ')
/** TheUser and TheDomain have 156 bytes each. */
const LONGEST_USER = 311
/** vchkpw takes the IPv4 address out of `::ffff:198.51.100.7` itself: what is left of both kinds is a name and the address behind it. */
const MIXED = /:.*\./

/** The parser for vpopmail. */
export const vpopmail: Parser = {
  id: 'vpopmail',
  title: TITLE,
  literals: [VIRTUAL, 'vchkpw: login ['],
  forgeryMarks: [],
  sample: ['Jul  7 11:23:52 mail vpopmail[20057]: vchkpw-pop3: (PLAIN) login success alice@example.com:198.51.100.7'],
  parse: messagesOf(TITLE, PROGRAMS, parseMessage, PROCESSES),
}

function parseMessage(cursor: Cursor): ParseResult {
  const name = cursor.take(NAME, 20)
  if (name === undefined || !cursor.skip(': ')) return cursor.fail('suspect', 'no vchkpw in front of the text')
  const service = SERVICES.get(name)
  if (service === undefined) {
    const isOther = name.startsWith('vchkpw-')
    return cursor.fail(isOther ? 'ordinary' : 'suspect', `${name} is not known to be POP3 or IMAP`)
  }
  if (name === 'vchkpw' && cursor.skip(BRACKETED)) return parseRest(cursor, '] from ', service)
  if (cursor.skip(SYSTEM)) return parseRest(cursor, ':', service)
  const isTold = !cursor.skip('(') || (cursor.pass(MECHANISM, 14) && cursor.skip(') '))
  // The words stand in the line, but not here: a name or a password that looks like a login.
  if (!isTold || !cursor.skip(VIRTUAL)) return cursor.fail('suspect', 'not a success line')
  return parseRest(cursor, ':', service)
}

/** The user, what parts it from the address, the address, and the end. */
function parseRest(cursor: Cursor, separator: string, service: 'pop3' | 'imap'): ParseResult {
  const user = cursor.take(USER, LONGEST_USER, 'user')
  if (user === undefined) return cursor.fail('suspect', 'no user name')
  if (!cursor.skip(separator)) return cursor.fail('suspect', 'the user name does not end here')
  const at = cursor.at
  const address = takeAddress(cursor, 'address')
  if (address === undefined) return cursor.fail('suspect', 'not a client address')
  if (MIXED.test(cursor.text.slice(at, cursor.at))) return cursor.fail('suspect', 'a mixture of two addresses')
  if (!cursor.ended) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, service } }
}

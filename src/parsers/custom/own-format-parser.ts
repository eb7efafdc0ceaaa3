/**
 * A parser made of an own format. Its pattern says what a login looks like; what keeps a forged line out does not hang on how well the
 * pattern is written: the program name, the characters of the user's name, the length of the line, and the only address in it.
 */
import type { LogLine } from '../../core/log-line.ts'
import type { Service } from '../../core/login.ts'
import type { OwnFormat } from '../../core/own-format.ts'
import { parseLoggedAddress } from '../logged-address.ts'
import type { ParsedField, ParseResult, Parser } from '../parser.ts'
import { foreign, forged, senderMismatch } from '../sender.ts'
import { addressDoubt } from './address-doubt.ts'
import { FormatPattern, type Span } from './format-pattern.ts'

/** Longer messages may have been cut: old syslogs cut lines at 1024 bytes, and a name made to fill that pushes the true address out. */
const LONGEST_MESSAGE = 800
const LONGEST_USER = 255
/** What stands in the names of users everywhere. Blanks, quotes, brackets, commas and the like end a field, and so does a name that holds them. */
const USUAL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-%/!#$&*~^'
const SERVICES: ReadonlyMap<string, Service> = new Map([
  ...['pop3', 'pop', 'pop3s', 'pops', 'pop3d', 'popd', 'pop3-ssl', 'pop3d-ssl', 'pop3-login'].map(
    (name) => [name, 'pop3'] as const,
  ),
  ...['imap', 'imap4', 'imaps', 'imap4s', 'imapd', 'imap4d', 'imap-ssl', 'imapd-ssl', 'imap4rev1', 'imap-login'].map(
    (name) => [name, 'imap'] as const,
  ),
])

/** The parser of `format`. @throws {PatternError} where its pattern is none */
export function ownFormatParser(format: OwnFormat): Parser {
  const { id, title, literals, samples } = format
  const grammar = new OwnGrammar(format)
  return {
    id,
    title,
    literals,
    forgeryMarks: [],
    sample: samples.filter(({ expect }) => expect !== null).flatMap(({ line }, index) => (index === 0 ? [line] : [])),
    parse: (line, fields) => grammar.parse(line, fields),
  }
}

class OwnGrammar {
  readonly #format: OwnFormat
  readonly #pattern: FormatPattern
  readonly #programs: ReadonlySet<string>
  readonly #processes: ReadonlySet<string>
  readonly #units: ReadonlySet<string>
  readonly #userCharacters: ReadonlySet<string>

  constructor(format: OwnFormat) {
    this.#format = format
    this.#pattern = new FormatPattern(format.pattern)
    this.#programs = new Set(format.programs)
    this.#processes = new Set([...format.programs, ...format.processes])
    this.#units = new Set(format.units)
    this.#userCharacters = new Set(USUAL + format.userCharacters)
  }

  parse(line: LogLine, fields?: ParsedField[]): ParseResult {
    if (!this.#programs.has(line.program)) return foreign(this.#format.title, line)
    const misfit = senderMismatch(line, this.#processes, this.#units)
    if (misfit !== undefined) return forged(misfit)
    const { message } = line
    if (message.length > LONGEST_MESSAGE) return fail(line, 'so long that it may be cut', LONGEST_MESSAGE)
    const found = this.#pattern.match(message)
    if (found === undefined) return fail(line, 'the pattern does not fit from here on', this.#pattern.reach(message))
    for (const [name, { start, end }] of found)
      fields?.push({
        name: name === 'ip' ? 'address' : name,
        value: message.slice(start, end),
        column: line.messageColumn + start,
      })
    return this.#login(line, found)
  }

  /** The login of a line whose whole message fits. */
  #login(line: LogLine, found: ReadonlyMap<string, Span>): ParseResult {
    const { message } = line
    const [user, ip, named] = ['user', 'ip', 'service'].map((name) => found.get(name))
    if (user === undefined || ip === undefined) return fail(line, 'the group user or ip took no part', 0)
    const strange = this.#strangeCharacter(message, user)
    if (strange !== undefined) return fail(line, 'no character of a user name (user_characters may allow it)', strange)
    if (user.end === user.start || user.end - user.start > LONGEST_USER)
      return fail(line, 'the user name is empty or too long', user.start)
    const service =
      named === undefined ? this.#format.service : SERVICES.get(message.slice(named.start, named.end).toLowerCase())
    if (service === undefined) return notMail(line, named?.start ?? 0)
    const address = parseLoggedAddress(message.slice(ip.start, ip.end))
    if (address === undefined) return fail(line, 'not a client address', ip.start)
    const others = [...found].flatMap(([name, span]) => (name.startsWith('server_ip') ? [span] : []))
    const doubt = addressDoubt(message, ip, address, others)
    if (doubt !== undefined) return fail(line, doubt.reason, doubt.column)
    return { kind: 'login', login: { user: message.slice(user.start, user.end), address, service } }
  }

  /** Where a character stands that is not of a user's name. Letters beyond ASCII are. */
  #strangeCharacter(message: string, { start, end }: Span): number | undefined {
    let at = start
    for (const char of message.slice(start, end)) {
      if (!this.#userCharacters.has(char) && !(char > '\u007f' && /^[\p{L}\p{M}\p{N}]$/u.test(char))) return at
      at += char.length
    }
    return undefined
  }
}

/** A login to something else than POP3 and IMAP: known, and worth nothing. */
function notMail(line: LogLine, at: number): ParseResult {
  return { kind: 'none', mismatch: 'ordinary', reason: 'no service of POP3 or IMAP', column: line.messageColumn + at }
}

function fail(line: LogLine, reason: string, at: number): ParseResult {
  return { kind: 'none', mismatch: 'suspect', reason, column: line.messageColumn + at }
}

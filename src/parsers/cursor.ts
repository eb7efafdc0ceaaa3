/** Reads a message from left to right, never back: the one tool that the grammars are built from, so that each is linear. */
import type { LogLine } from '../core/log-line.ts'
import type { Mismatch, ParsedField, ParseResult } from './parser.ts'

/** A set of characters: one entry per ASCII code; `others` says whether it holds all characters beyond ASCII. */
interface CharSet {
  readonly ascii: Uint8Array
  readonly others: boolean
}

/** The set of the characters of `allowed` (written out, one by one). */
export function charSet(allowed: string): CharSet {
  const ascii = new Uint8Array(128)
  for (const char of allowed) ascii[char.charCodeAt(0)] = 1
  return { ascii, others: false }
}

/** The set of all printable characters, also beyond ASCII, but those of `forbidden`. Control characters never belong to it. */
export function charsExcept(forbidden: string): CharSet {
  const ascii = new Uint8Array(128).fill(1, 32, 127)
  for (const char of forbidden) ascii[char.charCodeAt(0)] = 0
  return { ascii, others: true }
}

/** The index behind the run of characters of `set` that starts at `at`; `at` itself where none stands there. */
export function runEnd(set: CharSet, text: string, at: number, stop = text.length): number {
  const { ascii, others } = set
  let end = at
  for (; end < stop; end++) {
    const code = text.charCodeAt(end)
    if (code < 128 ? ascii[code] === 0 : !others) break
  }
  return end
}

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LOWER = UPPER.toLowerCase()
export const DIGITS = charSet('0123456789')
export const HOST_NAME = charSet(`${UPPER}${LOWER}0123456789._-:`)
export const IP_ADDRESS = charSet('0123456789abcdefABCDEF.:')
export const WORD = charSet(`${UPPER}${LOWER}0123456789_-+.`)

/** A place in a line's message, moving forward. Every method is linear in what it consumes. */
export class Cursor {
  readonly line: LogLine
  readonly text: string
  at = 0
  readonly #fields: ParsedField[] | undefined

  /** `fields` gathers what {@link note} is told. */
  constructor(line: LogLine, fields: ParsedField[] | undefined) {
    this.line = line
    this.text = line.message
    this.#fields = fields
  }

  /** True at the end of the message. */
  get ended(): boolean {
    return this.at === this.text.length
  }

  /** Steps over `literal` if it stands here. */
  skip(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false
    this.at += literal.length
    return true
  }

  /** Steps over the first of `literals` that stands here and returns it. */
  skipOneOf(literals: readonly string[]): string | undefined {
    for (const literal of literals) if (this.skip(literal)) return literal
    return undefined
  }

  /** Steps over 1 to `longest` characters of the set; false, and not moved, where there are none or more. */
  pass(set: CharSet, longest: number): boolean {
    const { text, at } = this
    const end = runEnd(set, text, at, Math.min(text.length, at + longest + 1))
    if (end === at || end - at > longest) return false
    this.at = end
    return true
  }

  /** The same, returning them, and noting them as the field `name`. */
  take(set: CharSet, longest: number, name?: string): string | undefined {
    const start = this.at
    if (!this.pass(set, longest)) return undefined
    if (name !== undefined) this.note(name, start)
    return this.text.slice(start, this.at)
  }

  /** Notes a field for people, whose text runs from `start` to here. */
  note(name: string, start: number): void {
    if (this.#fields === undefined) return
    this.#fields.push({ name, value: this.text.slice(start, this.at), column: this.line.messageColumn + start })
  }

  /** The result for a line that begins a session (of this name, where it has one), but fails here. */
  failConnection(mismatch: Mismatch, reason: string, session?: string): Extract<ParseResult, { kind: 'none' }> {
    return { ...this.fail(mismatch, reason), begins: session === undefined ? {} : { session } }
  }

  /** The result for a line that fails here. */
  fail(mismatch: Mismatch, reason: string): Extract<ParseResult, { kind: 'none' }> {
    return { kind: 'none', mismatch, reason, column: this.line.messageColumn + this.at }
  }
}

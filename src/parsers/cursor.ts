/** Reads a message from left to right, never back: the one tool that the grammars are built from, so that each is linear. */
import type { LogLine } from '../core/log-line.ts'
import type { Mismatch, ParsedField, ParseResult } from './parser.ts'

/** A set of characters: one entry per ASCII code; `others` says whether it holds all characters beyond ASCII. */
export interface CharSet {
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

  constructor(line: LogLine) {
    this.line = line
    this.text = line.message
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

  /** Takes 1 to `longest` characters of the set; undefined, and not moved, where there are none or more. */
  take(set: CharSet, longest: number): string | undefined {
    const start = this.at
    const stop = Math.min(this.text.length, start + longest + 1)
    let end = start
    while (end < stop && this.#holds(set, end)) end++
    if (end === start || end - start > longest) return undefined
    this.at = end
    return this.text.slice(start, end)
  }

  #holds(set: CharSet, index: number): boolean {
    const code = this.text.charCodeAt(index)
    return code < 128 ? set.ascii[code] === 1 : set.others
  }

  /** A field for people, whose value ends here. */
  field(name: string, value: string): ParsedField {
    return { name, value, column: this.line.messageColumn + this.at - value.length }
  }

  /** The result for a line that fails here. */
  fail(mismatch: Mismatch, reason: string): ParseResult {
    return { kind: 'none', mismatch, reason, column: this.line.messageColumn + this.at }
  }
}

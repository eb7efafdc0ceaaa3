/**
 * Takes the text of a pattern apart, as far as its groups and fixed texts go. Syntax: that of RE2, less flags and `\Q...\E`; what looks
 * around or back is told by name, for those who know it from engines that backtrack.
 */

/** Something in a pattern that is not possible. `column` is 0-based in the pattern; undefined for what is wrong with all of it. */
export class PatternError extends Error {
  readonly column: number | undefined

  constructor(message: string, column?: number) {
    super(message)
    this.column = column
  }
}

/** A named group, and the fixed text that always stands directly before what it takes. */
export interface NamedGroup {
  readonly name: string
  readonly column: number
  readonly before: string
}

/** A part of the pattern that the next one follows: it ends at `end`. `fixed`: it takes exactly this text. */
export interface PatternPart {
  readonly end: number
  readonly fixed: string | undefined
}

/** What {@link readPattern} finds. */
export interface PatternText {
  readonly groups: readonly NamedGroup[]
  /** Empty where the pattern is a choice of several. */
  readonly parts: readonly PatternPart[]
}

const LINEAR = 'the engine is linear (its time grows with the length of the line and nothing else) and has none'
/** Beginnings of groups, the longest first. */
const GROUPS: readonly (readonly [start: string, trouble: string | undefined])[] = [
  ['(?<=', `look-behind: ${LINEAR}`],
  ['(?<!', `negative look-behind: ${LINEAR}`],
  ['(?P<', undefined],
  ['(?P=', `a backreference: ${LINEAR}`],
  ['(?P>', `a subroutine call: ${LINEAR}`],
  ['(?<', undefined],
  ['(?:', undefined],
  ['(?=', `look-ahead: ${LINEAR}`],
  ['(?!', `negative look-ahead: ${LINEAR}`],
  ['(?>', `an atomic group: ${LINEAR}; it never goes back, so leave it out`],
  ['(?#', 'a comment: write it beside the pattern, in YAML'],
  ['(?', 'flags: write out what is meant, [Ll]ogin for instance'],
  ['(', undefined],
]
const NAME = /([A-Za-z_][A-Za-z0-9_]*)>/y
const REPEAT = /(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?/y
const ESCAPE = /\\(?:p\{[^}]*\}|P\{[^}]*\}|x\{[^}]*\}|x[0-9A-Fa-f]{2}|[pP].|0[0-7]{0,2}|[\s\S])/y
const SPECIAL = new Set('.^$|()')

/** Finds the groups and the fixed texts. @throws {PatternError} for what the engine does not have, or popauthd does not take */
export function readPattern(text: string): PatternText {
  const reader = new PatternReader(text)
  while (reader.at < text.length) reader.step()
  return reader.result()
}

/** Goes through a pattern once, from left to right. */
class PatternReader {
  at = 0
  readonly #text: string
  readonly #groups: NamedGroup[] = []
  readonly #parts: PatternPart[] = []
  /** Where the groups begin that are open. */
  readonly #open: number[] = []
  #hasChoice = false
  /** The fixed text directly before `at`. */
  #before = ''

  constructor(text: string) {
    this.#text = text
  }

  /** @throws {PatternError} where a group is not closed */
  result(): PatternText {
    const unclosed = this.#open.at(-1)
    if (unclosed !== undefined) throw new PatternError('( is never closed by )', unclosed)
    return { groups: this.#groups, parts: this.#hasChoice ? [] : this.#parts }
  }

  /** One character, class, escape or beginning of a group, with its repeat. @throws {PatternError} */
  step(): void {
    const char = String.fromCodePoint(this.#text.codePointAt(this.at) as number)
    if (char === '(') {
      this.#openGroup()
      return
    }
    if (char === '|') this.#hasChoice ||= this.#open.length === 0
    if (char === ')' && this.#open.pop() === undefined) throw new PatternError(') closes no group', this.at)
    const start = this.at
    if (char === '[') this.at = classEnd(this.#text, start)
    else if (char === '\\') this.at = escapeEnd(this.#text, start)
    else this.at += char.length
    const item = this.#text.slice(start, this.at)
    const fixed = char === '\\' ? fixedEscape(item) : char === '[' || SPECIAL.has(char) ? undefined : char
    const repeatEnd = endOf(REPEAT, this.#text, this.at)
    this.at = repeatEnd ?? this.at
    this.#add(repeatEnd === undefined ? fixed : undefined)
  }

  #openGroup(): void {
    const [opener, name] = groupStart(this.#text, this.at)
    if (name !== undefined) {
      if (this.#groups.some((group) => group.name === name))
        throw new PatternError(`a second group is called ${name}`, this.at)
      this.#groups.push({ name, column: this.at, before: this.#before })
    }
    this.#open.push(this.at)
    this.#before = ''
    this.at += opener.length + (name === undefined ? 0 : name.length + 1)
  }

  #add(fixed: string | undefined): void {
    this.#before = fixed === undefined ? '' : this.#before + fixed
    if (this.#open.length > 0) return
    const last = this.#parts.at(-1)
    if (fixed === undefined || last?.fixed === undefined) this.#parts.push({ end: this.at, fixed })
    else this.#parts[this.#parts.length - 1] = { end: this.at, fixed: last.fixed + fixed }
  }
}

/** The beginning of the group at `at`, and its name. */
function groupStart(text: string, at: number): [opener: string, name: string | undefined] {
  const [opener, trouble] = GROUPS.find(([start]) => text.startsWith(start, at)) as (typeof GROUPS)[number]
  if (trouble !== undefined) throw new PatternError(`${opener} is ${trouble}`, at)
  if (!opener.endsWith('<')) return [opener, undefined]
  NAME.lastIndex = at + opener.length
  const name = NAME.exec(text)?.[1]
  if (name === undefined) throw new PatternError(`${opener} begins a group without a sound name`, at)
  return [opener, name]
}

/** The index behind the character class that begins at `at`. */
function classEnd(text: string, at: number): number {
  let end = at + (text[at + 1] === '^' ? 2 : 1)
  if (text[end] === ']') end++
  while (end < text.length && text[end] !== ']') {
    if (text[end] === '\\') end += 2
    else if (text.startsWith('[:', end)) end = Math.max(text.indexOf(':]', end + 2), end) + 2
    else end++
  }
  if (end >= text.length) throw new PatternError('[ begins a class that is never closed by ]', at)
  return end + 1
}

function escapeEnd(text: string, at: number): number {
  const next = text[at + 1]
  if (next === undefined) throw new PatternError('the pattern ends with a single \\; write \\\\ for one', at)
  if (/[1-9k]/.test(next)) throw new PatternError(`\\${next} is a backreference: ${LINEAR}`, at)
  if (next === 'Q' || next === 'E')
    throw new PatternError('\\Q and \\E are not taken: put a \\ before each character', at)
  return endOf(ESCAPE, text, at) ?? at + 2
}

/** The character that an escape stands for, where it is plain; undefined for classes and the like. */
function fixedEscape(item: string): string | undefined {
  return item.length === 2 && /[^A-Za-z0-9]/.test(item[1] as string) ? item[1] : undefined
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}

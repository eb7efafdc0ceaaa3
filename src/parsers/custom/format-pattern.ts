/** The pattern of an own format, on an engine whose time grows with the length of the line and nothing else (RE2, as re2js). */
import { RE2JS, RE2JSSyntaxException } from 're2js'
import { reasonOf } from '../../errors.ts'
import { type NamedGroup, PatternError, type PatternPart, type PatternText, readPattern } from './pattern-text.ts'

/** A part of a message: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

const LONGEST_PATTERN = 2000
/** Instructions of the compiled pattern: the cost of a byte grows with them. A repeat such as `{1,200}` counts 200 times. */
const LARGEST_PROGRAM = 1500
/** Parts that {@link FormatPattern.reach} looks at. */
const MOST_PARTS = 64
const ADDRESS_OF_SERVER = /^server_ip[23]?$/

/** A compiled pattern. Pure. */
export class FormatPattern {
  readonly #whole: RE2JS
  readonly #text: string
  readonly #parts: readonly PatternPart[]
  /** The pattern cut behind each of its parts, made when first asked for. */
  readonly #beginnings: RE2JS[] = []
  /** Names of the groups. */
  readonly names: readonly string[]

  /** @throws {PatternError} */
  constructor(text: string) {
    if (text.length > LONGEST_PATTERN) throw new PatternError(`is longer than ${LONGEST_PATTERN} characters`)
    const read = readPattern(text)
    this.#whole = compile(text)
    checkGroups(read)
    this.#text = text
    this.#parts = read.parts
    this.names = read.groups.map(({ name }) => name)
  }

  /** Where each group stands in `message`, if the whole of it fits; a group that took no part is left out. */
  match(message: string): ReadonlyMap<string, Span> | undefined {
    const matcher = this.#whole.matcher(message)
    if (!matcher.matches()) return undefined
    const found = new Map<string, Span>()
    for (const name of this.names) {
      const start = matcher.start(name)
      if (start >= 0) found.set(name, { start, end: matcher.end(name) })
    }
    return found
  }

  /** How far the message fits before it fails: what the longest beginning of the pattern takes. For people; of a choice of patterns it is 0. */
  reach(message: string): number {
    let reached = 0
    for (const [index, part] of this.#parts.slice(0, MOST_PARTS).entries()) {
      const matcher = this.#beginning(index, part).matcher(message)
      if (!matcher.lookingAt()) return reached + commonLength(message.slice(reached), part.fixed ?? '')
      reached = Math.max(reached, matcher.end())
    }
    return reached
  }

  #beginning(index: number, { end }: PatternPart): RE2JS {
    this.#beginnings[index] ??= compile(this.#text.slice(0, end))
    return this.#beginnings[index]
  }
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

function compile(text: string): RE2JS {
  const compiled = parse(text)
  const size = compiled.programSize()
  if (size <= LARGEST_PROGRAM) return compiled
  throw new PatternError(
    `is too large (${size} instructions of at most ${LARGEST_PROGRAM}); write + or * in place of repeats such as {1,200}`,
  )
}

function parse(text: string): RE2JS {
  try {
    return RE2JS.compile(text)
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw new PatternError(reasonOf(error))
    const part = error.getPattern() as string | null
    const why = String(error.getDescription())
    throw new PatternError(part === null ? why : `${part}: ${why}`, Math.max(0, text.indexOf(part ?? '\\')))
  }
}

function checkGroups({ groups }: PatternText): void {
  for (const { name, column } of groups)
    if (!['user', 'ip', 'service'].includes(name) && !ADDRESS_OF_SERVER.test(name))
      throw new PatternError(
        `no group is called ${name}; there are user, ip, service and server_ip (also 2, 3)`,
        column,
      )
  for (const name of ['user', 'ip'])
    if (!groups.some((group) => group.name === name)) throw new PatternError(`has no group (?<${name}>...)`)
  const ip = groups.find(({ name }) => name === 'ip') as NamedGroup
  for (const { name, column, before } of groups)
    if (ADDRESS_OF_SERVER.test(name) && (before === '' || before.endsWith(ip.before) || ip.before.endsWith(before)))
      throw new PatternError(
        `the fixed text right before (?<${name}>...) must differ from that before (?<ip>...), or one could be taken for the other`,
        column,
      )
}

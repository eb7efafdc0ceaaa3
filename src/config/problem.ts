/** What is wrong in a configuration, in words for the person who wrote it. */
import { distance } from 'fastest-levenshtein'
import { escapeForTerminal } from '../lib/escape.ts'

/** Steps to a value: option names and list positions (from 0). */
export type Steps = readonly (string | number)[]

/** One thing wrong with a value. */
export interface Fault {
  /** Steps from the option's value to the part that is wrong; empty: the value itself. */
  readonly at: Steps
  /** What was found and what is expected, and the mend, as half a sentence. */
  readonly text: string
  /** True where the name is wrong rather than the value. */
  readonly ofKey?: boolean
}

/** The faults of a value that could not be read. */
export class Faults {
  readonly list: readonly Fault[]

  constructor(list: readonly Fault[]) {
    this.list = list
  }
}

/** A fault or warning with its place. */
export interface Problem {
  /** `FILE:LINE:COLUMN`, the environment variable, or `command line`. */
  readonly where: string
  /** The option, `sources[0].file`; empty where the text is no YAML at all. */
  readonly path: string
  readonly text: string
}

/** The usual fault: `found X, expected Y; mend`. */
export function fault(found: unknown, expected: string, mend?: string, at: Steps = []): Faults {
  const advice = mend ?? (found === null ? 'write one, or take the line out' : undefined)
  return new Faults([{ at, text: `found ${describe(found)}, expected ${expected}${advice ? `; ${advice}` : ''}` }])
}

/** `FILE:LINE:COLUMN: option: text`, escaped: it may hold anything that stands in the file. */
export function problemLine(problem: Problem): string {
  return escapeForTerminal([problem.where, problem.path, problem.text].filter((part) => part !== '').join(': '))
}

/** `admission.never[2]` for the steps to a value. */
export function pathText(steps: Steps): string {
  return steps.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

const LONGEST_SHOWN = 60

/** A value in few words: `"30m"`, `30`, `a list of 3`, `nothing`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'string')
    return JSON.stringify(value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value)
  if (typeof value === 'object') return 'a group of options'
  return String(value)
}

/** The candidate most like `word`, or undefined where none is near enough to be meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > LONGEST_SHOWN) return undefined
  const wanted = word.toLowerCase()
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(wanted, candidate.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)
  const longer = candidates.find((candidate) => candidate.length > 2 && wanted.startsWith(candidate.toLowerCase()))
  const best = ranked[0]
  return best !== undefined && best.far <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : longer
}

/** `; did you mean X?`, or the list of what there is. */
export function suggestion(word: string, candidates: readonly string[], listed: string): string {
  const near = nearest(word, candidates)
  if (near !== undefined) return `did you mean ${near}?`
  return `${listed}: ${candidates.join(', ')}`
}

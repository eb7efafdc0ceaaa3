/**
 * The line that a server writes most often, as one pattern: a shortcut past its grammar, for speed alone. It takes far fewer lines than the
 * grammar, and of those it makes the same (tests compare the two); whatever it does not take goes to the grammar. Each pattern is anchored
 * at both ends and has no choice between two ways to match, so that it is linear.
 */
import type { ParsedLogin } from './parser.ts'

/** Patterns of fields, each far narrower than what the grammars allow. */
export const FIELD = {
  /** A user name without anything that could end a field, and without two dots in a row. */
  user: '([A-Za-z0-9_@+-]{1,40}(?:\\.[A-Za-z0-9_@+-]{1,30}){0,3})',
  ipv4: '(\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3})',
  host: '[A-Za-z0-9._-]{1,64}',
} as const

/** Longer lines are left to the grammar, which knows where a server or a syslog daemon cuts. */
export const LONGEST_COMMON_LINE = 400

/** What a pattern found: the groups of its body from 1 on; with a header from {@link FIRST_FIELD} on, behind {@link HOST}, {@link TAG} and {@link PID}. */
export type CommonMatch = readonly (string | undefined)[]
export const HOST = 1
export const TAG = 2
export const PID = 3
export const FIRST_FIELD = 4

/** The pattern of a server's most frequent line, with what a match says; `read` may leave it to the grammar by returning undefined. */
export interface CommonForm {
  readonly pattern: RegExp
  readonly read: (match: CommonMatch) => ParsedLogin | undefined
}

const TIME = '(?:[A-Z][a-z]{2} [ \\d]\\d [\\d:]{8}|\\d{4}-\\d\\d-\\d\\dT[\\d:.]{8,15}(?:Z|[+-]\\d\\d:\\d\\d))'

/**
 * The form of a syslog line (RFC 3164 or ISO 8601 time) whose tag and text these patterns match as a whole. Host, tag and process id are told
 * in front of the fields of the body only where `header` says so: each costs a string.
 */
export function commonForm(tag: string, body: string, read: CommonForm['read'], header?: 'with header'): CommonForm {
  const [open, id] = header === undefined ? ['(?:', '\\d{1,10}'] : ['(', '(\\d{1,10})']
  const pattern = new RegExp(`^${TIME} ${open}${FIELD.host}) ${open}${tag})(?:\\[${id}\\])?: ${body}$`)
  return { pattern, read }
}

/** What the form makes of a line; undefined where the grammar must look. The time is not read. */
export function readCommonLine({ pattern, read }: CommonForm, line: string): ParsedLogin | undefined {
  const match = pattern.exec(line)
  return match === null ? undefined : read(match)
}

/** Tries the operator's own formats before any line of a log sees them: on their samples, on lines made of these, and against all other parsers. */
import type { LogLine } from '../../core/log-line.ts'
import type { OwnFormat, OwnFormatFault, OwnFormatSample } from '../../core/own-format.ts'
import { readLine, type Unreadable } from '../envelope.ts'
import { readJournalEntry } from '../journal-envelope.ts'
import type { ParseResult, Parser } from '../parser.ts'
import { FormatPattern } from './format-pattern.ts'
import { ownFormatParser } from './own-format-parser.ts'
import { PatternError } from './pattern-text.ts'

/** A built-in parser with the lines that it must keep to itself. */
export interface BuiltIn {
  readonly parser: Parser
  readonly lines: readonly string[]
}

/** A format whose pattern could be compiled. `index`: its place in the list. */
interface Candidate {
  readonly index: number
  readonly format: OwnFormat
  readonly parser: Parser
}

/** What a client may make another line of the program begin or end with. A pattern that takes it does not describe the whole message. */
const BEFORE = ['error: ', 'unknown command "x ']
const BEHIND = [' failed', ': authentication failure']

/** Everything wrong with the formats; they may be used if that is nothing. `builtIns` is asked for only where there are formats. */
export function checkFormats(formats: readonly OwnFormat[], builtIns: () => readonly BuiltIn[]): OwnFormatFault[] {
  if (formats.length === 0) return []
  const others = builtIns()
  const faults: OwnFormatFault[] = []
  const sound: Candidate[] = []
  for (const [index, format] of formats.entries()) {
    const found = [...nameFaults(format, index, formats, others), ...patternFaults(format)]
    if (found.length === 0) {
      const parser = ownFormatParser(format)
      found.push(...literalFaults(format), ...sampleFaults(format, parser), ...looseEnds(format, parser))
      if (found.length === 0) sound.push({ index, format, parser })
    }
    faults.push(...found.map(({ at, text }) => ({ at: [index, ...at], text })))
  }
  return [...faults, ...sound.flatMap((one) => shadowFaults(one, others, sound))]
}

function nameFaults(
  { id }: OwnFormat,
  index: number,
  formats: readonly OwnFormat[],
  others: readonly BuiltIn[],
): OwnFormatFault[] {
  if (others.some(({ parser }) => parser.id === id))
    return [{ at: ['id'], text: `"${id}" is the id of a built-in format; choose another` }]
  const first = formats.findIndex((format) => format.id === id)
  return first === index ? [] : [{ at: ['id'], text: `"${id}" is already the id of formats[${first}]; choose another` }]
}

function patternFaults(format: OwnFormat): OwnFormatFault[] {
  try {
    const { names } = new FormatPattern(format.pattern)
    if (names.includes('service') || format.service !== undefined) return []
    const text = 'tells no service: add `service: pop3`, `imap` or `any`, or a group (?<service>...) to the pattern'
    return [{ at: [], text }]
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    const place = error.column === undefined ? '' : `at character ${error.column + 1} of the pattern: `
    return [{ at: ['pattern'], text: `${place}${error.message}` }]
  }
}

function literalFaults({ literals, samples }: OwnFormat): OwnFormatFault[] {
  const logins = samples.flatMap((sample, index) => (sample.expect === null ? [] : [{ index, line: sample.line }]))
  const useless = literals.flatMap((literal, index) =>
    logins.some(({ line }) => line.includes(literal))
      ? []
      : [{ at: ['literals', index], text: `${JSON.stringify(literal)} stands in no sample that is a login` }],
  )
  const unseen = logins.flatMap(({ index, line }) =>
    literals.some((literal) => line.includes(literal))
      ? []
      : [{ at: ['samples', index, 'line'], text: 'holds none of the literals, so nobody would look at it' }],
  )
  return [...useless, ...unseen]
}

function sampleFaults({ samples }: OwnFormat, parser: Parser): OwnFormatFault[] {
  if (!samples.some(({ expect }) => expect !== null))
    return [{ at: ['samples'], text: 'none is a login; give at least one line with what must come out of it' }]
  return samples.flatMap((sample, index) => {
    const text = sampleTrouble(sample, parser)
    return text === undefined ? [] : [{ at: ['samples', index, sample.expect === null ? 'expect' : 'line'], text }]
  })
}

function sampleTrouble({ line, expect }: OwnFormatSample, parser: Parser): string | undefined {
  const result = take(parser, line)
  if ('unreadable' in result) return `column ${result.column + 1} of the line: ${result.unreadable}`
  if (result.kind !== 'login') {
    if (expect === null) return undefined
    const { reason, column } = result as Extract<ParseResult, { kind: 'none' }>
    return `gives no login; column ${column + 1} of the line: ${reason}`
  }
  const { user, address, service } = result.login
  const found = `user ${JSON.stringify(user)}, ip ${address}, service ${service}`
  if (expect === null) return `no login may come out of the line, but this does: ${found}`
  const same = user === expect.user && address === expect.ip && service === expect.service
  return same ? undefined : `gives ${found}, which is not what the sample expects`
}

/** A pattern that takes any text before or behind what it describes takes lines that clients make, and those of failures. */
function looseEnds({ samples }: OwnFormat, parser: Parser): OwnFormatFault[] {
  for (const { line, expect } of samples) {
    const opened = openLine(line)
    if (expect === null || 'unreadable' in opened) continue
    const stillTaken = (message: string) => parser.parse({ ...opened, message }).kind === 'login'
    const before = BEFORE.find((text) => stillTaken(text + opened.message))
    const behind = BEHIND.find((text) => stillTaken(opened.message + text))
    if (before !== undefined) return [loose(before, 'before it: describe the message from its first character on')]
    if (behind !== undefined) return [loose(behind, 'behind it: describe the message to its last character')]
  }
  return []
}

function loose(text: string, where: string): OwnFormatFault {
  return {
    at: ['pattern'],
    text: `takes a sample also with ${JSON.stringify(text)} ${where}, or lines that are no logins count`,
  }
}

function shadowFaults(
  { index, format, parser }: Candidate,
  builtIns: readonly BuiltIn[],
  own: readonly Candidate[],
): OwnFormatFault[] {
  const others = [
    ...builtIns.map((one) => one.parser),
    ...own.filter((one) => one.index !== index).map((one) => one.parser),
  ]
  const taken = format.samples.flatMap(({ line, expect }, sample): OwnFormatFault[] => {
    const taker = expect === null ? undefined : others.find((other) => takes(other, line))
    if (taker === undefined) return []
    const text = `the format ${taker.id} (${taker.title}) takes this line already; a line must belong to one format`
    return [{ at: [index, 'samples', sample, 'line'], text }]
  })
  const victim = builtIns.find(({ lines }) => lines.some((line) => takes(parser, line)))
  if (victim === undefined) return taken
  const line = victim.lines.find((candidate) => takes(parser, candidate)) ?? ''
  const text = `takes a line that belongs to the built-in format ${victim.parser.id}: ${line}`
  return [...taken, { at: [index, 'pattern'], text }]
}

function takes(parser: Parser, line: string): boolean {
  const result = take(parser, line)
  return !('unreadable' in result) && result.kind !== 'none'
}

function take(parser: Parser, raw: string): ParseResult | Unreadable {
  const line = parser.openLine?.(raw) ?? openLine(raw)
  return 'unreadable' in line ? line : parser.parse(line)
}

function openLine(raw: string): LogLine | Unreadable {
  return raw.startsWith('{') ? readJournalEntry(raw) : readLine(raw)
}

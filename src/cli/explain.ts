/** `popauthd explain`: which parser takes a log line and what each field is, or where the closest one failed. */
import { createInterface } from 'node:readline'
import type { Login } from '../core/login.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { type Colors, colorsFor, type TerminalLike } from '../lib/terminal.ts'
import type { Parser } from '../parsers/parser.ts'
import { type Explanation, LoginScanner } from '../parsers/scanner.ts'
import type { Configure } from './commands.ts'
import type { CliContext } from './context.ts'
import { knownParsers } from './known-parsers.ts'
import { jsonText, localTime, print } from './output.ts'

const EXAMPLES = `
Without a line, each line of standard input is explained, and the two lines of one login are joined.
Exit code 0: all are logins or the lines of one, 1: at least one is not.
Columns count from 1. Put -- before a line that begins with a dash.

Examples:
  popauthd explain 'Mar 16 10:54:52 mx popper[21040]: (v3.1.2) POP login by user "michelle" at (pc.example.com) 198.51.100.7'
  grep 198.51.100.7 /var/log/mail.log | tail -1 | popauthd explain`

/** Lines longer than this are no log lines; no parser takes them. */
const MAX_LINE_LENGTH = 64 * 1024

/** What to do about a line of a server that nobody knows. */
const OWN_FORMATS = `popauthd formats lists the servers that are known; docs/own-formats.md shows how to add one\n`

/** Of all the parsers that a line failed at, the closest are enough. */
const MOST_OTHERS = 3

/** Defines `explain`. */
export const explain: Configure = (command, context, act) => {
  command
    .argument('[line]', 'one log line, quoted; without it standard input is read')
    .option('--timezone <zone>', 'zone of lines that have none, such as Europe/Berlin', 'local')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (line: string | undefined, options: { json?: boolean; timezone: string }) => {
        const parsers = await knownParsers(context)
        const scanner = new LoginScanner({ parsers, timezone: options.timezone })
        let allLogins = true
        let waiting = false // a connection whose login has not come yet
        for await (const text of line === undefined ? linesOf(context) : [line.replace(/\r?\n$/, '')]) {
          const explained = explainLine(scanner, parsers, text, context.clock.now())
          const isConnection = ['announce', 'connect', 'attempt'].includes(explained.best.outcome)
          waiting = isConnection || (waiting && !explained.isLogin)
          allLogins &&= explained.isLogin || isConnection
          await print(context, options.json ? jsonLine(text, explained) : explanationText(text, explained, context))
        }
        return allLogins && !waiting ? 0 : 1
      }),
    )
}

function linesOf(context: CliContext): AsyncIterable<string> {
  const input = context.stdin()
  if ((input as TerminalLike).isTTY === true)
    context.stderr.write('popauthd: reading log lines from the terminal; Ctrl-D ends\n')
  return createInterface({ input, crlfDelay: Infinity })
}

/** What is told of one line. */
interface Explained {
  /** The closest parser; `login` is that of this line and, where it is the second of two, the one before it. */
  readonly best: Explanation
  /** The next ones, closest first. */
  readonly others: readonly Explanation[]
  /** A login comes of this line. */
  readonly isLogin: boolean
  /** No parser is for lines like this one; `best` is any of them. */
  readonly noneClose?: boolean
  /** Why none does, where the line by itself would be one. */
  readonly trouble?: string | undefined
}

/** Explains a line, then takes it in as a scan would: lines before it may complete it or speak against it. */
function explainLine(scanner: LoginScanner, parsers: readonly Parser[], line: string, newestMs: number): Explained {
  const all = explanationsOf(scanner, parsers, line, newestMs)
  const [best, ...rest] = all as [Explanation, ...Explanation[]]
  const others = rest.filter((one) => isClose(one, parsers, line)).slice(0, MOST_OTHERS)
  const problem = commonProblem(all)
  let login: Login | undefined
  let trouble: string | undefined
  scanner.scan(
    Buffer.from(`${line}\n`),
    { format: 'any', newestMs },
    {
      login: (found) => {
        login = found
      },
      rejected: ({ reason }) => {
        trouble = reason
      },
    },
  )
  if (problem !== undefined) return { best: problem, others: [], isLogin: false, noneClose: true }
  if (!best.outcome.startsWith('login')) {
    const noneClose = best.outcome === 'none' && !isClose(best, parsers, line)
    return { best, others, isLogin: false, noneClose }
  }
  const { login: _, ...alone } = best
  return { best: login === undefined ? alone : { ...best, login }, others, isLogin: login !== undefined, trouble }
}

/** True where a parser took the line, failed only inside it, or finds its words there. */
function isClose({ parser, outcome, column }: Explanation, parsers: readonly Parser[], line: string): boolean {
  const literals = parsers.find(({ id }) => id === parser)?.literals ?? []
  return outcome !== 'none' || column > 0 || literals.some((literal) => line.includes(literal))
}

/** What all parsers say alike: there is something wrong with what stands around the message. */
function commonProblem(all: readonly Explanation[]): Explanation | undefined {
  const [first] = all
  const isCommon = ({ outcome, reason, column }: Explanation) =>
    outcome === 'none' && reason === first?.reason && column === first?.column
  return all.length > 1 && all.every(isCommon) ? first : undefined
}

/** The closest first; of parsers that failed at the same place, one whose words stand in the line. */
function explanationsOf(
  scanner: LoginScanner,
  parsers: readonly Parser[],
  line: string,
  newestMs: number,
): readonly Explanation[] {
  const text = line.slice(0, MAX_LINE_LENGTH)
  const words = new Set(
    parsers.filter(({ literals }) => literals.some((literal) => text.includes(literal))).map(({ id }) => id),
  )
  const isTie = (a: Explanation, b: Explanation) =>
    a.outcome === 'none' && b.outcome === 'none' && a.column === b.column
  return scanner
    .explain(text, { format: 'any', newestMs })
    .toSorted((a, b) => (isTie(a, b) ? Number(words.has(b.parser)) - Number(words.has(a.parser)) : 0))
}

function jsonLine(line: string, { best, others, trouble }: Explained): string {
  const { login, ...rest } = { ...best, ...(trouble !== undefined && { reason: trouble }) }
  const found =
    login === undefined ? null : { time: new Date(login.atMs).toISOString(), user: login.user, ip: login.address }
  const details = login === undefined ? {} : { service: login.service, server: login.server, tls: login.tls ?? null }
  const tried = others.map(({ parser, outcome, reason, column }) => ({ parser, outcome, reason, column: column + 1 }))
  const fields = rest.fields.map((field) => ({ ...field, column: field.column + 1 }))
  return `${jsonText({ line, ...rest, fields, column: rest.column + 1, login: found && { ...found, ...details }, others: tried })}\n`
}

function explanationText(line: string, explained: Explained, context: CliContext): string {
  const colors = colorsFor(context.stdout, context.env)
  const { best } = explained
  const shown = `${escapeForTerminal(line)}\n`
  const rest = best.outcome === 'none' ? noneText(line, explained, colors) : takenText(explained, colors)
  return `${shown}${rest}`
}

const OUTCOMES: Record<Exclude<Explanation['outcome'], 'none'>, string> = {
  login: 'a successful login',
  announce: 'the first of two lines: it announces a connection, a later one tells the login',
  connect: 'the first of two lines: it tells the address, a later one of the same process the login',
  attempt: 'a line before the login: it tells who tries, a later one of the same session whether that was a success',
  login_without_address: 'the second of two lines: a login; the address stands in an earlier one of the same process',
  login_without_user: 'the last line of a login; the user stands in an earlier one of the same session',
  cut: 'a line behind which its process may write what a client chose: logins there open nothing',
  disconnect: 'the end of a session or of an attempt; it opens nothing',
  logout: 'the end of a session; it opens nothing',
}

function outcomeText({ outcome, login }: Explanation): string {
  const isSecond = outcome.startsWith('login_') && login !== undefined
  if (isSecond) return 'the second of two lines: with the earlier one of the same process, a successful login'
  return OUTCOMES[outcome as keyof typeof OUTCOMES]
}

function takenText({ best, trouble }: Explained, colors: Colors): string {
  const { login } = best
  const head = `${colors.green(escapeForTerminal(best.title))} (${best.parser}): ${outcomeText(best)}\n`
  const fields = best.fields.map(
    (field) =>
      `  ${field.name.padEnd(9)} column ${String(field.column + 1).padStart(3)}  ${escapeForTerminal(field.value)}\n`,
  )
  const none = trouble === undefined ? '' : `${colors.red('no login comes of it')}: ${escapeForTerminal(trouble)}\n`
  if (login === undefined) return head + none + fields.join('')
  const tls = login.tls === undefined ? 'not told' : login.tls ? 'yes' : 'no'
  const facts = [
    ['time', `${localTime(new Date(login.atMs).toISOString())} (${new Date(login.atMs).toISOString()})`],
    ['user', login.user],
    ['address', login.address],
    ['service', login.service === 'any' ? 'POP3 or IMAP: the line does not tell' : login.service],
    ['TLS', tls],
  ]
  return `${head}${facts.map(([name, value]) => `  ${name?.padEnd(9)} ${escapeForTerminal(value ?? '')}\n`).join('')}where it stands in the line:\n${fields.join('')}`
}

function noneText(line: string, { best, others, noneClose }: Explained, colors: Colors): string {
  const caret = `${' '.repeat(escapeForTerminal(line.slice(0, best.column)).length)}${colors.red('^')}\n`
  const place = `column ${best.column + 1}: ${escapeForTerminal(best.reason ?? 'not known')}`
  if (noneClose) return `${caret}${colors.red('no login')}: no format is for lines like this; ${place}\n${OWN_FORMATS}`
  const head = `${colors.red('no login')}: closest is ${escapeForTerminal(best.title)} (${best.parser}), ${place}\n`
  const rest = others.map(
    (other) => `  ${other.parser}, column ${other.column + 1}: ${escapeForTerminal(other.reason ?? other.outcome)}\n`,
  )
  return `${caret}${head}${rest.length > 0 ? `others:\n${rest.join('')}` : ''}`
}

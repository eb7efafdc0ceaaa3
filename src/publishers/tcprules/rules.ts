/**
 * Rules for tcpserver as text, as tcprules(1) reads them (ucspi-tcp 0.88, and Debian's with IPv6), and what they come to in its cdb. Stricter in
 * two things: a line without `:allow` or `:deny`, which tcprules passes over or hangs at, and rules about names whose clients cannot be known here.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StaticEntries } from '../../core/static-entries.ts'
import { PublishError } from '../../errors.ts'
import { escapeForTerminal } from '../../lib/escape.ts'
import type { OwnFile } from '../own-files.ts'
import { lookupsOf } from './keys.ts'

/** What tcpserver does for the clients of one key. */
export interface TcpRule {
  readonly denies: boolean
  /** As it stands in the cdb: `D` and NUL where it denies; then each variable as `+NAME=VALUE` and NUL. Each character is a byte. */
  readonly data: string
  /** True where it sets RELAYCLIENT itself. */
  readonly relays: boolean
}

const RELAY = '+RELAYCLIENT=\0'
const LONGEST_SHOWN = 200
const TURN = 1000

/** The operator's rules. */
export class TcpRules {
  static readonly none = new TcpRules(new Map())
  readonly byKey: ReadonlyMap<string, TcpRule>
  /** What is denied, in other spellings too: `192.0.2` is found by no lookup, but what it means is clear enough. */
  readonly denied: StaticEntries

  private constructor(byKey: ReadonlyMap<string, TcpRule>) {
    this.byKey = byKey
    const denied = [...byKey].filter(([, { denies }]) => denies)
    this.denied = new StaticEntries(denied.map(([key]) => `${key} deny\n`).join(''))
  }

  /** Of several rules with one key the first one counts. @throws {PublishError} with file, line and mend where tcprules would refuse a line */
  static async parse(files: readonly OwnFile[]): Promise<TcpRules> {
    const byKey = new Map<string, TcpRule>()
    for (const { path, text } of files)
      for (const [index, line] of text.split('\n').entries()) {
        for (const [key, rule] of entriesOf(line, path, index + 1)) if (!byKey.has(key)) byKey.set(key, rule)
        if (index % TURN === TURN - 1) await nextTurn()
      }
    return new TcpRules(byKey)
  }

  /**
   * The data for `key` where its clients may relay: those of the most specific rule about them, and RELAYCLIENT. Undefined where a rule denies
   * the address or a prefix of it, or where the default does and nothing else is said.
   */
  relaying(key: string): string | undefined {
    let applied: TcpRule | undefined
    for (const lookup of lookupsOf(key)) {
      const rule = this.byKey.get(lookup)
      if (rule?.denies && (lookup !== '' || applied === undefined)) return undefined
      applied ??= rule
    }
    if (applied === undefined) return RELAY
    return applied.relays ? applied.data : applied.data + RELAY
  }
}

/** Why a line is refused, and what to do. */
class Refused extends Error {
  readonly mend: string

  constructor(message: string, mend: string) {
    super(message)
    this.mend = mend
  }
}

function entriesOf(line: string, path: string, number: number): [string, TcpRule][] {
  try {
    const parsed = parseRule(line)
    return parsed === undefined ? [] : parsed.keys.map((key) => [key, parsed.rule])
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const shown = escapeForTerminal(line.slice(0, LONGEST_SHOWN))
    throw new PublishError(`cannot read line ${number} of ${path}: ${error.message}: ${shown}`, {
      retryable: true,
      mend: error.mend,
    })
  }
}

function parseRule(whole: string): { keys: string[]; rule: TcpRule } | undefined {
  const line = whole.replace(/[ \t]+$/, '')
  if (line === '' || line.startsWith('#')) return undefined
  if (line.includes('\0')) throw new Refused('it holds a NUL byte', 'take that out')
  if (line.endsWith('\r')) throw new Refused('it ends in a carriage return', 'save the file with Unix line ends')
  // The first colon with an instruction behind it: IPv6 addresses hold colons themselves.
  const colon = line.search(/:(?:allow|deny)/)
  if (colon < 0)
    throw new Refused('it says neither :allow nor :deny', 'write ADDRESS:allow or ADDRESS:deny, or # in front')
  const address = line.slice(0, colon)
  const rule = parseInstructions(line.slice(colon + 1))
  refuseNames(address, rule)
  return { keys: keysOf(address), rule }
}

function parseInstructions(text: string): TcpRule {
  const denies = text.startsWith('deny')
  let data = denies ? 'D\0' : ''
  let relays = false
  for (let rest = text.slice(denies ? 4 : 5); rest !== ''; ) {
    const [all, name, , value] = /^,([^=]*)=(.)(.*?)\2/s.exec(rest) ?? []
    if (all === undefined)
      throw new Refused('what follows allow or deny is no list of variables', 'write ,NAME="VALUE" for each')
    data += `+${name}=${value}\0`
    relays ||= name === 'RELAYCLIENT'
    rest = rest.slice(all.length)
  }
  return { denies, data, relays }
}

// An entry of a client that has logged in is found before rules about its name, and popauthd cannot know whose names they are.
function refuseNames(address: string, { denies, data }: TcpRule): void {
  if (!address.startsWith('=') || (!denies && (data === '' || data === RELAY))) return
  throw new Refused(
    'a rule about names that denies, or sets variables, does not hold for clients that have logged in',
    'write the addresses in place of the name, or take the line out (with -H tcpserver does not heed it anyhow)',
  )
}

/** `192.0.2.1-5` is five keys, `10.1-2.` two; names and `user@` stand as they are. */
function keysOf(address: string): string[] {
  const dash = address.indexOf('-')
  if (dash < 0 || /[=@]/.test(address)) return [address]
  const left = address.lastIndexOf('.', dash) + 1
  const end = address.indexOf('.', dash)
  const right = end < 0 ? address.length : end
  const [from, to] = [address.slice(left, dash), address.slice(dash + 1, right)]
  if (!/^\d{1,9}$/.test(from) || !/^\d{1,9}$/.test(to))
    throw new Refused('a range is two numbers with - in between', 'write it as 192.0.2.1-5')
  const [first, last] = [Number(from), Math.min(255, Number(to))]
  const count = Math.max(0, last - first + 1)
  return Array.from({ length: count }, (_, index) => `${address.slice(0, left)}${first + index}${address.slice(right)}`)
}

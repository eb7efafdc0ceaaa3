/**
 * What the lines before a line have to do with it: those of its session, which tell the address or the user; those that speak against it; and
 * lines that were cut, whose rest may look like anything. Bounded, and kept over a restart.
 */
import type { LogLine } from '../core/log-line.ts'
import { CutLines, type StoredCut, writerKey } from './cut-lines.ts'
import { LineJoiner, type StoredSession, sessionKey } from './joiner.ts'
import type { ParsedLogin, ParseResult, Parser } from './parser.ts'

/** More servers than this in one log are not kept. */
const MOST_ANNOUNCERS = 10_000

function announcerKey(server: string, line: LogLine): string {
  return `${server}\t${line.host}`
}

/** Results that tell a part of a login, or that there will be none. */
type PartOfLogin = Exclude<ParseResult, { kind: 'none' | 'login' | 'logout' | 'cut' }>

/** What must survive a restart between two lines of a session: plain JSON. */
export interface StoredSessionLines {
  readonly pending: readonly StoredSession[]
  readonly cuts?: readonly StoredCut[]
  /** Servers, each with its host, that announce their sessions. */
  readonly announcers?: readonly string[]
}

/** Remembers lines of one log for the lines that come. */
export class SessionLines {
  readonly #joiner = new LineJoiner()
  readonly #cuts = new CutLines()
  /** The servers of which lines were joined in this log. */
  readonly #joined = new Set<string>()
  /** The servers that announce their sessions in this log. */
  readonly #announcers = new Set<string>()

  /** True where no line before could have to do with one of this server. */
  areSilentOn({ id }: Parser): boolean {
    return this.#cuts.isEmpty && !this.#joined.has(id)
  }

  /** Why a login does not count, if lines before it speak against it. */
  objection(parser: Parser, line: LogLine, login: ParsedLogin, atMs: number): string | undefined {
    const trouble = this.#contradiction(parser, line, login, atMs)
    if (trouble !== undefined || this.#cuts.isEmpty || !this.#cuts.mayContinue(writerKey(line), atMs)) return trouble
    return 'its process may be writing what a client chose (see the line of it that was rejected before)'
  }

  /** Takes in a part of a login. Returns the whole, where this was the last part; or what is wrong. */
  join(parser: Parser, line: LogLine, result: PartOfLogin, atMs: number): ParsedLogin | string | undefined {
    this.#joined.add(parser.id)
    const key = sessionKey(parser.id, line, result.session)
    if (key === undefined) return 'no process id to join its two lines by'
    if (result.kind === 'connect') this.#joiner.connect(key, result.address, atMs)
    if (result.kind === 'announce') this.#announce(parser, line, key, atMs)
    if (result.kind === 'attempt') this.#joiner.attempt(key, result.user, atMs)
    if (result.kind === 'disconnect') this.#joiner.forget(key)
    if (result.kind !== 'login_without_address' && result.kind !== 'login_without_user') return undefined
    const known = this.#joiner.take(key, atMs)
    const address = result.kind === 'login_without_user' ? result.address : known?.address
    const user = result.kind === 'login_without_address' ? result.user : known?.user
    if (address === undefined) return 'no line of the connection was seen, so the address is not known'
    if (user === undefined) return 'no line of the attempt was seen, so the user is not known'
    if (known?.address !== undefined && known.address !== address) return `${known.address} is not ${address}`
    return { ...result, address, user }
  }

  #announce(parser: Parser, line: LogLine, key: string, atMs: number): void {
    this.#joiner.announce(key, atMs)
    if (this.#announcers.size < MOST_ANNOUNCERS) this.#announcers.add(announcerKey(parser.id, line))
  }

  /** Forgets what is known of a session. */
  forget(parser: Parser, line: LogLine, session: string | undefined): void {
    const key = sessionKey(parser.id, line, session)
    if (key !== undefined) this.#joiner.forget(key)
  }

  /** Remembers a line that was cut. */
  doubt(line: LogLine, { reachMs }: Extract<ParseResult, { kind: 'cut' }>, atMs: number | undefined): void {
    if (atMs !== undefined) this.#cuts.add(writerKey(line), atMs, reachMs)
  }

  /**
   * Why the lines before a login line speak against it: its connection told another address (an account's name may look like one), or it
   * has none where all others were announced (a client may have written the whole line).
   */
  #contradiction(parser: Parser, line: LogLine, login: ParsedLogin, atMs: number): string | undefined {
    const isAnnounced = login.session !== undefined && this.#announcers.has(announcerKey(parser.id, line))
    if (this.#joiner.size === 0 && !isAnnounced) return undefined
    const key = sessionKey(parser.id, line, login.session)
    const known = key === undefined ? undefined : this.#joiner.take(key, atMs)
    if (known === undefined) return isAnnounced ? 'no line announced its connection, as others are' : undefined
    if (known.address === undefined || known.address === login.address) return undefined
    // A line like this one may come again.
    if (key !== undefined) this.#joiner.connect(key, known.address, known.atMs)
    return 'its process has a connection from another address'
  }

  /** What still matters at `newestMs`. */
  snapshot(newestMs: number): StoredSessionLines {
    const pending = this.#joiner.snapshot(newestMs)
    const cuts = this.#cuts.snapshot(newestMs)
    const announcers = [...this.#announcers]
    return {
      pending,
      ...(cuts.length === 0 ? {} : { cuts }),
      ...(announcers.length === 0 ? {} : { announcers }),
    }
  }

  /** Takes a snapshot back. Whatever is not one is left out. */
  restore({ pending, cuts, announcers }: Readonly<Partial<Record<keyof StoredSessionLines, unknown>>>): void {
    this.#joiner.restore(pending)
    this.#cuts.restore(cuts)
    this.#announcers.clear()
    for (const key of Array.isArray(announcers) ? announcers.slice(0, MOST_ANNOUNCERS) : []) {
      if (typeof key === 'string') this.#announcers.add(key)
    }
    this.#joined.clear()
    for (const key of [...this.#joiner.keys(), ...this.#announcers]) this.#joined.add(key.slice(0, key.indexOf('\t')))
  }
}

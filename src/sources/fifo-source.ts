/** Reads lines from a named pipe that a syslog daemon writes to (`|/path` in syslog.conf, ompipe of rsyslog, pipe() of syslog-ng). */
import { execFile } from 'node:child_process'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import type { SocketConfig } from '../config/config.ts'
import { reasonOf, SourceError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { groupId } from '../lib/unix-socket.ts'
import { LineBuffer, type LineBufferOptions } from './line-buffer.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from './source.ts'
import { streamLines } from './stream-lines.ts'

/** A pipe that gave nothing for this long is taken to have been read to its end. */
const QUIET_MS = 50
/** How often is looked whether the pipe is still the one of that name, and how long a pipe that cannot be opened again is waited for. */
export const LOOK_EVERY_MS = 10_000
const WAITING_BYTES = 64 * 1024
/** Puts an end to any login: no line may hold it. */
const SPOILER = Buffer.from([0])

/** Where the pipe is, and with what rights it is made where it is missing. */
interface FifoSourceOptions extends SocketConfig, LineBufferOptions {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
}

/**
 * See {@link Source}. A pipe cannot be read again: the position only counts bytes. The pipe is held open for writing too, so that it does not
 * end with its last writer, and keeps (up to what the kernel holds, 64 KiB) what comes while nobody reads and a writer has it open.
 */
export class FifoSource implements Source {
  readonly id: string
  readonly #options: FifoSourceOptions
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: FifoSourceOptions) {
    this.id = `fifo:${options.path}`
    this.#options = options
  }

  chunks(from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk> {
    this.#running = this.#run(from !== undefined, AbortSignal.any([signal, this.#disposed.signal]))
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort()
    await this.#running?.return(undefined)
  }

  async *#run(isRestart: boolean, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    let lines = new LineBuffer(0, this.#options)
    let fd: number | undefined = signal.aborted ? undefined : await openPipe(this.#options)
    const seen = new Set<string>()
    while (fd !== undefined) {
      const identity = identityOf(fd)
      yield* this.#read(fd, lines, isRestart || seen.has(identity), signal)
      seen.add(identity)
      isRestart = false
      fd = await this.#openAgain(signal)
      // A line that was cut has no end in another pipe.
      lines = new LineBuffer(lines.nextOffset, this.#options)
    }
  }

  /**
   * What waits in a pipe that was read before (at a restart, or where it was away and has its name again) may begin in the middle of a line, of
   * which that reader had the first half; the rest could be text that somebody chose, and look like a line. So the first of them gives nothing.
   */
  *#waiting(fd: number, lines: LineBuffer): Generator<SourceChunk> {
    const bytes = Buffer.allocUnsafe(WAITING_BYTES)
    let count = 0
    try {
      count = readSync(fd, bytes)
    } catch {
      return // Nothing waits (EAGAIN).
    }
    if (count === 0) return
    for (const part of [SPOILER, bytes.subarray(0, count)])
      for (const run of lines.push(part)) yield this.#chunk(run, lines, false)
  }

  async *#read(fd: number, lines: LineBuffer, isDoubtful: boolean, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { clock } = this.#options
    const stream = new Socket({ fd, readable: true, writable: false })
    const end = () => void stream.destroy()
    const stopLooking = this.#whenReplaced(fd, end)
    signal.addEventListener('abort', end, { once: true })
    try {
      if (signal.aborted) return
      if (isDoubtful) yield* this.#waiting(fd, lines)
      for await (const { bytes, quiet } of streamLines(stream, lines, clock, () => QUIET_MS)) {
        this.#tellSkipped(lines)
        yield this.#chunk(bytes, lines, quiet)
        if (signal.aborted) return
      }
    } catch (error) {
      // A stream that was destroyed says so by an error of its own.
      if (stream.errored !== null)
        this.#tell('unreadable', `cannot read ${this.#options.path}: ${reasonOf(error)}`, true)
    } finally {
      stopLooking()
      signal.removeEventListener('abort', end)
      stream.destroy()
    }
  }

  #chunk(bytes: Buffer, lines: LineBuffer, caughtUp: boolean): SourceChunk {
    const position = { v: 1, bytes: lines.lineOffset }
    const { path, clock } = this.#options
    return { bytes, format: 'lines', position, caughtUp, origin: path, newestMs: clock.now() }
  }

  /** Calls `act` once the path leads to something else than the open pipe: its writers are elsewhere. */
  #whenReplaced(fd: number, act: () => void): () => void {
    const { clock, path } = this.#options
    const own = fstatSync(fd)
    let cancel = () => {}
    const look = () => {
      if (leadsTo(path, own)) cancel = clock.setTimer(LOOK_EVERY_MS, look)
      else act()
    }
    cancel = clock.setTimer(LOOK_EVERY_MS, look)
    return () => cancel()
  }

  /** Opens what has taken the place of the pipe, or makes it anew; undefined where the source was stopped meanwhile. */
  async #openAgain(signal: AbortSignal): Promise<number | undefined> {
    const { path } = this.#options
    for (let told = false; !signal.aborted; told = true) {
      try {
        const fd = await openPipe(this.#options)
        this.#tell('restarted', `${path} was replaced or had ended, and was opened again`, false)
        return fd
      } catch (error) {
        if (!told) this.#tell('unreadable', reasonOf(error), true)
      }
      await this.#pause(signal)
    }
    return undefined
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.#options.clock.setTimer(LOOK_EVERY_MS, done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  #tellSkipped(lines: LineBuffer): void {
    const count = lines.takeSkippedLines()
    if (count === 0) return
    this.#tell('line_too_long', `skipped ${count} line(s) longer than ${lines.maxLineBytes} bytes`, false)
  }

  #tell(kind: SourceNotice['kind'], detail: string, trouble: boolean): void {
    this.#options.notice({ kind, detail, trouble })
  }
}

/**
 * The pipe, open for reading and writing without waiting, made where it is missing. @throws {SourceError} where it is no pipe, or one that
 * others may write to: whoever may can open the relay
 */
async function openPipe({ path, mode, group }: SocketConfig): Promise<number> {
  const gid = group === undefined ? undefined : await groupId(group)
  const isNew = statSync(path, { throwIfNoEntry: false }) === undefined
  if (isNew) await makePipe(path)
  else refuse(path, statSync(path))
  let fd: number
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | (isNew ? constants.O_NOFOLLOW : 0))
  } catch (error) {
    throw new SourceError(`cannot open the named pipe ${path}: ${reasonOf(error)}`, {
      mend: 'give it to the user popauthd runs as (chown popauthd), or remove it: it is made at the start',
      cause: error,
    })
  }
  try {
    if (isNew) giveRights(path, fd, mode, gid)
    refuse(path, fstatSync(fd))
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Nobody but us may write to it until it has its group. */
async function makePipe(path: string): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '0600', '--', path], { timeout: 5000 })
  } catch (error) {
    const said = (error as { readonly stderr?: string }).stderr?.trim()
    throw new SourceError(`cannot make the named pipe ${path}: ${said || reasonOf(error)}`, {
      mend: `make it yourself: mkfifo -m 0600 ${path}; chown popauthd ${path}`,
      cause: error,
    })
  }
}

function giveRights(path: string, fd: number, mode: number, gid: number | undefined): void {
  try {
    if (!fstatSync(fd).isFIFO()) return
    if (gid !== undefined) fchownSync(fd, -1, gid)
    fchmodSync(fd, mode)
  } catch (error) {
    throw new SourceError(`cannot give ${path} its group and mode: ${reasonOf(error)}`, {
      mend: 'make the user popauthd runs as a member of that group',
      cause: error,
    })
  }
}

function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd)
  return `${dev}:${ino}`
}

/** False too where the path cannot be looked at: why is told when it is opened. */
function leadsTo(path: string, { ino, dev }: Stats): boolean {
  try {
    const now = statSync(path, { throwIfNoEntry: false })
    return now?.ino === ino && now.dev === dev
  } catch {
    return false
  }
}

function refuse(path: string, stats: Stats): void {
  const problem = problemOf(stats)
  if (problem === undefined) return
  throw new SourceError(`cannot use ${path}: ${problem}`, {
    mend: 'remove it, and popauthd makes it; or name another path',
  })
}

function problemOf(stats: Stats): string | undefined {
  if (!stats.isFIFO()) return 'it is no named pipe'
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    return 'it belongs to another user, who can write logins to it'
  if ((stats.mode & 0o002) !== 0) return 'everybody may write to it, and so open the relay'
  return undefined
}

/** Follows the systemd journal through journalctl(1), one JSON object a line (systemd.journal-fields(7), "Journal JSON Format"). */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { reasonOf, SourceError } from '../../errors.ts'
import { Backoff, type BackoffOptions } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { LineBuffer, type LineBufferOptions } from '../line-buffer.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { streamLines } from '../stream-lines.ts'

/** How the journal is followed. */
export interface JournalSourceOptions extends LineBufferOptions {
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** Program and its first arguments (default `journalctl`, looked for in PATH). No shell. */
  readonly command?: readonly string[]
  /** At a first start, entries of this time are read (milliseconds; default 30 minutes). */
  readonly backlogMs?: number
  /** More matches, each `FIELD=value`; `+` is not allowed, as it would let in entries that say to be another machine's. */
  readonly matches?: readonly string[]
  /** Pauses before a child that died is started again (default 0.5 s to 1 min). */
  readonly restart?: BackoffOptions
  /** File with the id of this machine (default /etc/machine-id); without one, entries of all machines in the journal are read. */
  readonly machineIdPath?: string
  /** File with the id of this boot (default that of Linux). */
  readonly bootIdPath?: string
}

/** The fields that are asked for: those that tell who wrote the entry (with an underscore: set by journald, not by the writer), and its text. */
export const journalFields = [
  'MESSAGE',
  'PRIORITY',
  'SYSLOG_FACILITY',
  'SYSLOG_IDENTIFIER',
  'SYSLOG_PID',
  'SYSLOG_TIMESTAMP',
  '_COMM',
  '_EXE',
  '_HOSTNAME',
  '_PID',
  '_SYSTEMD_UNIT',
  '_TRANSPORT',
  '_UID',
] as const

const CURSOR = /^[0-9a-zA-Z=;:_-]{1,500}$/
/** Entries that come within this time belong to one burst. The first one may take longer, and a child that may not read ends before. */
const QUIET_MS = 50
const FIRST_QUIET_MS = 1000
const EXIT_MS = 1000
const STDERR_BYTES = 2000
/** A cursor that journalctl refuses this often in a row is given up. */
const CURSOR_ATTEMPTS = 3

/** How a child ended, and what it wrote to standard error. */
interface Ending {
  readonly problem: string
  readonly spawned: boolean
  /** True where it ended by itself and without an error. */
  readonly isWhole: boolean
}

/** All that is there, or what comes from now on. */
type Mode = 'catch up' | 'follow'

/** See {@link Source}. A child that dies is started again behind the last entry, with growing pauses. */
export class JournalSource implements Source {
  readonly id = 'journal'
  readonly #options: JournalSourceOptions
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: JournalSourceOptions) {
    this.#options = options
  }

  chunks(from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk> {
    const either = AbortSignal.any([signal, this.#disposed.signal])
    this.#running = new JournalFollower(this.#options, either).run(from)
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort()
    await this.#running?.return(undefined)
  }
}

class JournalFollower {
  readonly #options: JournalSourceOptions
  readonly #signal: AbortSignal
  readonly #backoff: Backoff
  #cursor: string | undefined
  #everRead = false
  /** How often in a row the past could not be read. */
  #failures = 0

  constructor(options: JournalSourceOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    this.#backoff = new Backoff(options.restart ?? { firstMs: 500, mostMs: 60_000 })
  }

  async *run(from: SourcePosition | undefined): AsyncGenerator<SourceChunk> {
    const { cursor } = from ?? {}
    if (typeof cursor === 'string' && CURSOR.test(cursor)) this.#cursor = cursor
    const sinceMs = this.#options.clock.now() - (this.#options.backlogMs ?? 30 * 60_000)
    while (!this.#signal.aborted) {
      const past = yield* this.#runChild(await this.#arguments(sinceMs, 'catch up'), 'catch up')
      if (this.#signal.aborted) return
      this.#failures = past.isWhole ? 0 : this.#failures + 1
      this.#everRead ||= past.isWhole
      const ending = past.isWhole ? yield* this.#runChild(await this.#arguments(sinceMs, 'follow'), 'follow') : past
      if (this.#signal.aborted) return
      this.#decide(ending)
      await this.#pause(this.#backoff.next())
    }
  }

  /**
   * journalctl is run twice. `-f` shows the present boot alone (since systemd 250), so what is there of earlier ones is read without it first.
   * `--merge` would show all boots, and with them every journal below /var/log/journal: those that came from other machines and from
   * containers, whose writers set what fields they like, the id of this machine among them.
   */
  async #arguments(sinceMs: number, mode: Mode): Promise<string[]> {
    const { machineIdPath, bootIdPath, matches } = this.#options
    const machineId = await idIn(machineIdPath ?? '/etc/machine-id')
    const bootId = mode === 'follow' ? await idIn(bootIdPath ?? '/proc/sys/kernel/random/boot_id') : undefined
    const fields = `--output-fields=${journalFields.join(',')}`
    const options = ['-o', 'json', '--no-pager', '-q', ...(mode === 'follow' ? ['-f', '--no-tail'] : []), fields]
    const machine = machineId === undefined ? [] : [`_MACHINE_ID=${machineId}`]
    return [...options, ...this.#place(sinceMs, bootId), ...machine, ...(matches ?? [])]
  }

  /**
   * From the last entry on, which is left out later: `--after-cursor` passes by an entry in any case, and where the last one has been rotated
   * away, that is one that was never read (seen with systemd 252). Where it is of an earlier boot, nothing of this one has been read yet.
   */
  #place(sinceMs: number, bootId: string | undefined): string[] {
    if (this.#cursor === undefined) return [`--since=@${Math.floor(sinceMs / 1000)}`]
    const boot = /(?:^|;)b=([0-9a-f]{32})(?:;|$)/.exec(this.#cursor)?.[1]
    const isEarlier = bootId !== undefined && boot !== undefined && boot !== bootId
    return isEarlier ? [] : [`--cursor=${this.#cursor}`]
  }

  /** Reads one child to its end. Whatever ends the iteration, the child is gone afterwards. */
  async *#runChild(args: readonly string[], mode: Mode): AsyncGenerator<SourceChunk, Ending> {
    const [program = 'journalctl', ...first] = this.#options.command ?? []
    const child = spawn(program, [...first, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    })
    const ended = endingOf(child)
    // Where descriptors have run out it has no pipes, and an error is on its way.
    if (child.stdout === undefined) return await ended
    const kill = () => void child.kill('SIGKILL')
    this.#signal.addEventListener('abort', kill, { once: true })
    try {
      if (this.#signal.aborted) kill()
      yield* this.#readChild(child.stdout, mode)
      // Its output has ended, so it is about to exit and to say why; killing it at once would hide that.
      await this.#pause(EXIT_MS, ended)
    } finally {
      this.#signal.removeEventListener('abort', kill)
      kill()
      child.stdout.destroy()
      await ended
    }
    return ended
  }

  async *#readChild(stdout: Readable, mode: Mode): AsyncGenerator<SourceChunk> {
    const { clock } = this.#options
    const lines = new LineBuffer(0, this.#options)
    let known = this.#cursor
    for await (const { bytes: entries, quiet } of streamLines(stdout, lines, clock, () =>
      this.#everRead ? QUIET_MS : FIRST_QUIET_MS,
    )) {
      this.#tellSkipped(lines)
      const bytes = without(entries, known)
      if (entries.length > 0) known = undefined
      if (bytes.length === 0 && !quiet) continue
      if (bytes.length > 0) this.#backoff.reset()
      this.#everRead = true
      this.#cursor = lastCursor(bytes) ?? this.#cursor
      const position = { v: 1, cursor: this.#cursor ?? null }
      const caughtUp = quiet && mode === 'follow'
      yield { bytes, format: 'journal-json', position, caughtUp, origin: 'journal', newestMs: clock.now() }
      if (this.#signal.aborted) return
    }
  }

  /** Goes on after the end of a child. @throws {SourceError} where the journal can never be read */
  #decide({ problem, spawned }: Ending): void {
    const mend = spawned
      ? 'add the user that runs popauthd to the group systemd-journal (usermod -aG systemd-journal USER), or name a log file with --log FILE'
      : 'install systemd, or name a log file with --log FILE'
    const refusedCursor = this.#cursor !== undefined && this.#failures >= CURSOR_ATTEMPTS
    if (!this.#everRead && this.#cursor === undefined)
      throw new SourceError(`cannot read the journal: ${problem}`, { mend })
    if (refusedCursor) {
      this.#cursor = undefined
      this.#failures = 0
      this.#tell(`journalctl does not find the entry that was read last (${problem}): reading the last window again`)
    } else this.#tell(`journalctl ended (${problem}); starting it again`)
  }

  #tell(detail: string): void {
    this.#options.notice({ kind: 'restarted', detail, trouble: true })
  }

  #tellSkipped(lines: LineBuffer): void {
    const count = lines.takeSkippedLines()
    if (count === 0) return
    const detail = `skipped ${count} entries longer than ${lines.maxLineBytes} bytes in the journal`
    this.#options.notice({ kind: 'line_too_long', detail, trouble: false })
  }

  /** Waits for that time, but no longer than until the abort or `sooner` (which never rejects). */
  #pause(ms: number, sooner?: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.#options.clock.setTimer(ms, done)
      this.#signal.addEventListener('abort', done, { once: true })
      if (this.#signal.aborted) done()
      void sooner?.then(done)
    })
  }
}

/** An id of 32 hexadecimal digits, which the file may write with dashes. */
async function idIn(path: string): Promise<string | undefined> {
  const text = (await readFile(path, 'utf8').catch(() => '')).trim().replaceAll('-', '')
  return /^[0-9a-f]{32}$/.test(text) ? text : undefined
}

/** Never rejects. */
function endingOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ending> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-STDERR_BYTES)
  })
  return new Promise((resolve) => {
    child.on('error', (error) =>
      resolve({ problem: `cannot start it: ${reasonOf(error)}`, spawned: false, isWhole: false }),
    )
    child.on('close', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      resolve({ problem: said.trim() === '' ? how : `${how}: ${said.trim()}`, spawned: true, isWhole: code === 0 })
    })
  })
}

/** `entries` without the first, where that is the one of this cursor. */
function without(entries: Buffer, cursor: string | undefined): Buffer {
  const end = entries.indexOf(10) + 1
  const isFirst = cursor !== undefined && cursorOf(entries.toString('utf8', 0, end)) === cursor
  return isFirst ? entries.subarray(end) : entries
}

/** The cursor of the last entry that is whole JSON. The writer of an entry cannot set `__CURSOR`. */
function lastCursor(bytes: Buffer): string | undefined {
  for (let end = bytes.length; end > 0; ) {
    const start = end < 2 ? 0 : bytes.lastIndexOf(10, end - 2) + 1
    const cursor = cursorOf(bytes.toString('utf8', start, end))
    if (cursor !== undefined) return cursor
    end = start
  }
  return undefined
}

function cursorOf(line: string): string | undefined {
  try {
    const { __CURSOR: cursor } = JSON.parse(line) as { __CURSOR?: unknown }
    return typeof cursor === 'string' && CURSOR.test(cursor) ? cursor : undefined
  } catch {
    return undefined
  }
}

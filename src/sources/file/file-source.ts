/** Follows a log file as one endless stream of lines: through rename, copytruncate, deletion, a switched symbolic link, compression and downtime. */
import { stat } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import type { LineBufferOptions } from '../line-buffer.ts'
import type { Source, SourceChunk, SourceNotice, SourcePosition } from '../source.ts'
import { unreadableLog } from '../unreadable-log.ts'
import { FileWaker, type Waker } from '../waker.ts'
import { FileNotices } from './file-notices.ts'
import { decodePosition, encodePosition, type FileMark } from './fingerprint.ts'
import { LineReader, type OpenFile, openLogFile } from './line-reader.ts'
import { currentPath, watchedPath } from './log-name.ts'
import { passes } from './passing-errors.ts'
import { type PlannedFile, type PlanRequest, planReading } from './rotation.ts'

/** How a file is followed. */
export interface FileSourceOptions extends LineBufferOptions {
  /** A path, or a pattern for a name that changes with the date, see log-name.ts. */
  readonly path: string
  readonly clock: Clock
  readonly notice: (notice: SourceNotice) => void
  /** At a first start, rotated predecessors written to within this time are read too (milliseconds; default 30 minutes). */
  readonly backlogMs?: number
  /** Pause between two looks where inotify says nothing (default 1000). */
  readonly pollMilliseconds?: number
  /** A rotated file is given up once nothing was written to it for this long and the new file has had lines (default 10 polls). */
  readonly lingerMs?: number
  /** Default: inotify and a poll. */
  readonly waker?: Waker
}

const EMPTY = Buffer.alloc(0)

/** See {@link Source}. A position names the file by device, inode and fingerprint, so that it is found again under another name. */
export class FileSource implements Source {
  readonly id: string
  readonly #options: FileSourceOptions
  readonly #disposed = new AbortController()
  #running: AsyncGenerator<SourceChunk> | undefined

  constructor(options: FileSourceOptions) {
    this.id = `file:${options.path}`
    this.#options = options
  }

  chunks(from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk> {
    const follower = new FileFollower(this.#options, AbortSignal.any([signal, this.#disposed.signal]))
    this.#running = follower.run(from)
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort()
    await this.#running?.return(undefined)
  }
}

/** One run over the file: the state machine of following. Readers: `old` (late lines only), `current`, then those of `next` in their order. */
class FileFollower {
  readonly #options: FileSourceOptions
  readonly #signal: AbortSignal
  readonly #waker: Waker
  readonly #notices: FileNotices
  readonly #lingerMs: number
  #old: LineReader | undefined
  #oldQuietSinceMs = 0
  #current: LineReader | undefined
  #next: LineReader[] = []
  /** The reader of the file that had the name when last looked. */
  #live: LineReader | undefined
  #toldCaughtUp = false
  /** Where reading stopped when no file is open. */
  #lastMark: FileMark | undefined
  #absentSinceMs: number | undefined
  /** Since when the current file cannot be read for a reason that may pass. */
  #failingSinceMs: number | undefined

  constructor(options: FileSourceOptions, signal: AbortSignal) {
    const pollMilliseconds = options.pollMilliseconds ?? 1000
    this.#options = options
    this.#signal = signal
    this.#notices = new FileNotices(options.path, options.notice)
    this.#waker = options.waker ?? new FileWaker(options.clock, pollMilliseconds)
    this.#lingerMs = options.lingerMs ?? 10 * pollMilliseconds
  }

  async *run(from: SourcePosition | undefined): AsyncGenerator<SourceChunk> {
    try {
      await this.#start(from).catch(async (error: unknown) => {
        throw await unreadableLog(this.#options.path, error)
      })
      while (!this.#signal.aborted) {
        const late = this.#old === undefined ? false : yield* this.#readOld(this.#old)
        if (await this.#rotatedWhileEmpty()) continue
        const progressed = this.#current === undefined ? false : yield* this.#readCurrent(this.#current)
        if (late || progressed || this.#signal.aborted) continue
        const mustWait = this.#mustReadAgain()
        if (!mustWait && (yield* this.#advance())) continue
        if (await this.#lookAtPath()) continue
        if (!this.#toldCaughtUp && !mustWait) yield this.#nothing(from)
        await this.#waker.wait(this.#signal)
      }
    } finally {
      this.#waker.close()
      await Promise.all([this.#old, this.#current, ...this.#next].map((reader) => reader?.close()))
    }
  }

  /** Opens what has to be read first. */
  async #start(from: SourcePosition | undefined): Promise<void> {
    const { path } = this.#options
    this.#waker.watch([watchedPath(path)])
    const live = await this.#openLive().catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (live === undefined) this.#notices.missing(`${path} does not exist; waiting for it`)
    const position = decodePosition(from)
    this.#lastMark = position?.current
    // A file that was empty has no fingerprint: it is found again as the successor of the one before it.
    // Without one, it is as at a first start: what was written and copied away meanwhile looks like nothing.
    const wasEmpty = position?.current.fingerprintBytes === 0
    if (position?.old !== undefined && !wasEmpty) await this.#openOld(position.old)
    await this.#queue({ live, mark: wasEmpty ? position.old : position?.current, situation: 'resume' })
    this.#current = this.#next.shift()
  }

  /** Goes on waiting for late lines of the predecessor that was open when the position was saved. */
  async #openOld(mark: FileMark): Promise<void> {
    const plan = await planReading({ ...this.#request(undefined), mark, situation: 'resume' })
    const [first, ...others] = plan.predecessors
    for (const { file } of others) await file.handle.close()
    this.#oldQuietSinceMs = this.#options.clock.elapsedMs()
    if (first !== undefined && plan.found) this.#old = this.#reader(first)
    else await first?.file.handle.close()
  }

  /** Plans what comes next and puts it into the queue, the live file last. Where that fails, nothing is queued and `live` is closed. */
  async #queue(request: Pick<PlanRequest, 'live' | 'mark' | 'situation'>): Promise<void> {
    const { path } = this.#options
    const { live, mark } = request
    const plan = await planReading({ ...this.#request(live), ...request }).catch(async (error: unknown) => {
      await live?.handle.close()
      throw error
    })
    this.#next.push(...plan.predecessors.map((planned) => this.#reader(planned)))
    if (live !== undefined) {
      this.#live = this.#reader({ file: live, head: live.head, offset: plan.liveOffset })
      this.#next.push(this.#live)
      this.#waker.watch([watchedPath(path), live.path])
      if (request.situation === 'resume') this.#notices.opened(plan.liveOffset)
    }
    if (!plan.found && mark !== undefined && request.situation === 'resume') this.#notices.lost(mark)
  }

  async #openLive(): Promise<OpenFile> {
    return openLogFile(await currentPath(this.#options.path))
  }

  #request(live: OpenFile | undefined): Omit<PlanRequest, 'mark' | 'situation'> {
    const { path, clock, backlogMs } = this.#options
    return { path, live, sinceMs: clock.now() - (backlogMs ?? 30 * 60_000) }
  }

  #reader(planned: PlannedFile): LineReader {
    return new LineReader(planned.file, planned.head, planned.offset, this.#options)
  }

  /** One read of the current file; true where it may have more. */
  async *#readCurrent(reader: LineReader): AsyncGenerator<SourceChunk, boolean> {
    const result = await this.#read(reader)
    if (result.kind === 'changed') {
      await this.#truncated(reader, result.how)
      return true
    }
    if (result.kind === 'end') return false
    const caughtUp = result.atEnd && reader === this.#live && this.#next.length === 0
    yield await this.#chunk(reader, result.bytes, caughtUp)
    if (!caughtUp) await nextTurn()
    return true
  }

  /** Late lines of the predecessor, true where there were some; closes it when it has been quiet for long enough. */
  async *#readOld(reader: LineReader): AsyncGenerator<SourceChunk, boolean> {
    const result = await this.#read(reader)
    const elapsedMs = this.#options.clock.elapsedMs()
    if (result.kind === 'lines') {
      this.#oldQuietSinceMs = elapsedMs
      yield await this.#chunk(reader, result.bytes, false)
      return true
    }
    const successorWritten = (this.#current?.mark().offset ?? 0) > 0
    const quiet = elapsedMs - this.#oldQuietSinceMs >= this.#lingerMs
    if (result.kind === 'changed' || (quiet && successorWritten)) await this.#closeOld()
    return false
  }

  /** Moves on to the next file of the queue; the one that was read so far may still get late lines. */
  async *#advance(): AsyncGenerator<SourceChunk, boolean> {
    if (this.#next.length === 0) return false
    if (this.#old !== undefined) {
      for (let result = await this.#read(this.#old); result.kind === 'lines'; result = await this.#read(this.#old))
        yield await this.#chunk(this.#old, result.bytes, false)
      await this.#closeOld()
    }
    this.#old = this.#current
    this.#oldQuietSinceMs = this.#options.clock.elapsedMs()
    this.#current = this.#next.shift()
    this.#failingSinceMs = undefined
    this.#toldCaughtUp = false
    return true
  }

  async #closeOld(): Promise<void> {
    const old = this.#old
    this.#old = undefined
    await old?.close()
  }

  /** True where the name now belongs to another file, which was put into the queue. */
  async #lookAtPath(): Promise<boolean> {
    const watched = watchedPath(this.#options.path)
    if (this.#live === undefined || this.#absentSinceMs !== undefined || this.#notices.inTrouble)
      this.#waker.watch(this.#live === undefined ? [watched] : [watched, this.#live.path])
    try {
      const found = await stat(await currentPath(this.#options.path), { bigint: true })
      if (this.#live?.ino === String(found.ino) && this.#live.dev === String(found.dev)) {
        this.#present()
        return false
      }
      await this.#follow(await this.#openLive())
      this.#present()
      return true
    } catch (error) {
      this.#absent(error)
      return false
    }
  }

  /** An empty file shows no change when it was filled, copied and emptied between two looks: then a copy lies after its predecessor. */
  async #rotatedWhileEmpty(): Promise<boolean> {
    const current = this.#current
    if (this.#old === undefined || current === undefined || current !== this.#live) return false
    if (current.mark().fingerprintBytes > 0) return false
    const live = await this.#openLive().catch(() => undefined)
    if (live === undefined) return false
    const request: PlanRequest = { ...this.#request(live), mark: this.#old.mark(), situation: 'held' }
    const { predecessors } = await planReading(request).catch(() => ({ predecessors: [] }))
    if (predecessors.length === 0) {
      await live.handle.close()
      return false
    }
    this.#next.push(...predecessors.map((planned) => this.#reader(planned)))
    this.#live = this.#reader({ file: live, head: live.head, offset: 0 })
    this.#next.push(this.#live)
    this.#current = this.#next.shift()
    await current.close()
    return true
  }

  /** Puts the file that has the name now into the queue; one that is open already (a link switched back) is gone on with. */
  async #follow(live: OpenFile): Promise<void> {
    const known = [this.#old, this.#current].find((reader) => reader?.ino === live.ino && reader.dev === live.dev)
    if (known === undefined) {
      const mark = this.#current?.mark() ?? this.#lastMark
      await this.#queue({ live, mark, situation: this.#current === undefined ? 'resume' : 'held' })
    } else {
      await live.handle.close()
      this.#live = known
      if (known === this.#old) this.#next.push(known)
      if (known === this.#old) this.#old = undefined
    }
    if (this.#current !== undefined) this.#notices.rotated()
  }

  #present(): void {
    this.#absentSinceMs = undefined
    this.#notices.present()
  }

  /** A file that is missing for a moment is ordinary rotation; for longer, or one that cannot be read, it is told (once). */
  #absent(error: unknown): void {
    const { path, clock } = this.#options
    this.#absentSinceMs ??= clock.elapsedMs()
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      if (clock.elapsedMs() - this.#absentSinceMs >= this.#lingerMs)
        this.#notices.missing(`${path} does not exist any more; waiting for it`)
    } else this.#notices.unreadable(error)
  }

  /** The live file lost its content: what a copy still has of it is read first, then the file from its beginning. */
  async #truncated(reader: LineReader, how: string): Promise<void> {
    const mark = reader.mark()
    this.#lastMark = mark
    this.#current = this.#next.shift()
    await reader.close()
    if (reader !== this.#live) return
    this.#live = undefined
    this.#notices.truncated(how)
    const live = await this.#openLive().catch(() => undefined)
    try {
      await this.#queue({ live, mark, situation: 'truncated' })
      this.#current = this.#next.shift()
    } catch (error) {
      this.#notices.unreadable(error) // looked at again by its name
    }
  }

  /** True while a file that cannot be read just now is to be tried again before the next one is; a disk that stays broken must not hold the log up. */
  #mustReadAgain(): boolean {
    if (this.#failingSinceMs === undefined) return false
    return this.#options.clock.elapsedMs() - this.#failingSinceMs < this.#lingerMs
  }

  /** Reads once. A predecessor that turns out damaged counts as ended; a live file that cannot be read is told and tried again. */
  async #read(reader: LineReader): ReturnType<LineReader['read']> {
    try {
      const result = await reader.read()
      const skipped = reader.takeSkippedLines()
      if (skipped > 0) this.#notices.skipped(skipped, this.#options.maxLineBytes ?? 1 << 20, reader.path)
      if (reader === this.#live) this.#notices.readWorks()
      if (reader === this.#current) this.#failingSinceMs = undefined
      return result
    } catch (error) {
      this.#notices.readFailed(reader.path, error)
      if (reader === this.#current && passes(error)) this.#failingSinceMs ??= this.#options.clock.elapsedMs()
      return { kind: 'end' }
    }
  }

  async #chunk(reader: LineReader, bytes: Buffer, caughtUp: boolean): Promise<SourceChunk> {
    this.#toldCaughtUp = caughtUp
    const nowMs = this.#options.clock.now()
    const isFresh = reader === this.#live && reader.fresh
    const { modifiedMs, leftBytes } = isFresh ? { modifiedMs: nowMs, leftBytes: 0 } : await reader.look()
    const left = caughtUp ? 0 : leftBytes + (await this.#queuedBytes())
    const origin = this.#options.path
    const newestMs = Math.min(nowMs, modifiedMs)
    return { bytes, format: 'lines', position: this.#position(), caughtUp, leftBytes: left, origin, newestMs }
  }

  /** Bytes of the files that are to be read after the current one. */
  async #queuedBytes(): Promise<number> {
    const looks = await Promise.all(this.#next.map((reader) => reader.look()))
    return looks.reduce((sum, { leftBytes }) => sum + leftBytes, 0)
  }

  /** Says that all was read, also where nothing was there. */
  #nothing(from: SourcePosition | undefined): SourceChunk {
    this.#toldCaughtUp = true
    const position = this.#current === undefined ? (from ?? { v: 1, ino: null }) : this.#position()
    const newestMs = this.#options.clock.now()
    const origin = this.#options.path
    return { bytes: EMPTY, format: 'lines', position, caughtUp: true, leftBytes: 0, origin, newestMs }
  }

  #position(): SourcePosition {
    const old = this.#old?.mark()
    const current = this.#current?.mark() ?? this.#lastMark ?? old
    if (current === undefined) throw new Error('a chunk was read without an open file')
    return encodePosition(old === undefined || old === current ? { current } : { current, old })
  }
}

/** The contract of everything that log bytes come from. */
import type { AddressLogout, Login } from '../core/login.ts'

/** Where reading resumes: plain JSON that only the source that made it understands. Committed together with what the bytes produced. */
export type SourcePosition = { readonly [key: string]: string | number | boolean | null }

/** What kind of text a chunk holds: lines of a log file, or one journald JSON object a line. */
export type ChunkFormat = 'lines' | 'journal-json'

/** Whole lines (each ended by LF) with the position behind the last of them. `bytes` may be reused by the source after the next chunk is asked for. */
export interface SourceChunk {
  readonly bytes: Buffer
  readonly format: ChunkFormat
  /** Position behind these bytes. */
  readonly position: SourcePosition
  /** Logins that came without a line, already checked (a server's own reports); such a chunk holds no bytes. Committed before the next is asked for. */
  readonly logins?: readonly Login[]
  /** What such a source says is over; a chunk has logins or this. Committed before the next is asked for too. */
  readonly ended?: readonly AddressLogout[]
  /** True when nothing more was there to read at that moment. Such a chunk may hold no bytes. */
  readonly caughtUp: boolean
  /** Bytes known to be there behind this chunk and not read yet; absent where that is not known. */
  readonly leftBytes?: number
  /** Name for people: the path, or `journal`. */
  readonly origin: string
  /** Unix milliseconds of the newest line this chunk can hold (the file's mtime, or now): settles the year of RFC 3164 lines. */
  readonly newestMs: number
}

/** Something that happened to a source and an operator may want to know; `kind` is a fixed word, `detail` a sentence. */
export interface SourceNotice {
  readonly kind:
    | 'opened'
    | 'rotated'
    | 'truncated'
    | 'missing'
    | 'unreadable'
    | 'line_too_long'
    | 'restarted'
    | 'refused'
    | 'dropped'
    | 'reports_refused'
  readonly detail: string
  /** A real trouble that an operator must mend, as opposed to ordinary rotation. */
  readonly trouble: boolean
}

/**
 * A stream of log bytes that never ends by itself. The consumer pulls: a source reads ahead no more than one chunk.
 * Chunks of one source come in order; after `signal` aborts the iteration ends within a second, without error.
 */
export interface Source extends AsyncDisposable {
  /** Stable over restarts; the key under which the position is kept, for instance `file:/var/log/mail.log`. */
  readonly id: string
  /** What it has counted since the start, for `status`; names in snake_case. Absent where there is nothing to count but lines. */
  readonly counts?: Readonly<Record<string, number>>
  /** @throws {SourceError} before the first chunk where the source can never work (a directory in place of a file, no permission). */
  chunks(from: SourcePosition | undefined, signal: AbortSignal): AsyncIterable<SourceChunk>
}

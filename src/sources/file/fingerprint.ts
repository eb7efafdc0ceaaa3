/** What identifies a log file: device, inode and a hash of its first bytes; so neither a reused inode nor a refilled file is mistaken. */
import { createHash } from 'node:crypto'
import type { SourcePosition } from '../source.ts'

/** First bytes of a file that count; of a shorter file, all that it has. */
export const fingerprintLength = 1024

/** A place in a file. `dev` and `ino` are decimal (they may exceed 2^53), `offset` lies behind a whole line. */
export interface FileMark {
  readonly dev: string
  readonly ino: string
  /** In bytes; of a compressed file, in bytes of its content. */
  readonly offset: number
  /** Hash of the first `fingerprintBytes` bytes; empty for 0 bytes. */
  readonly fingerprint: string
  readonly fingerprintBytes: number
  /** Where the file was found, symbolic links resolved: only a hint where to look first. */
  readonly path: string
}

/** Where a file source resumes: the file that is being read, and its predecessor while late lines may still be written to it. */
export interface FilePosition {
  readonly current: FileMark
  readonly old?: FileMark
}

/** The fingerprint of a file that begins with `head`. */
export function fingerprintOf(head: Buffer): string {
  return head.length === 0 ? '' : createHash('sha256').update(head).digest('hex').slice(0, 32)
}

/** True if a file that begins with `head` has the fingerprint of `mark`. An empty fingerprint fits any file. */
export function hasFingerprint(head: Buffer, mark: FileMark): boolean {
  if (head.length < mark.fingerprintBytes) return false
  return fingerprintOf(head.subarray(0, mark.fingerprintBytes)) === mark.fingerprint
}

/** The position as plain JSON. */
export function encodePosition(position: FilePosition): SourcePosition {
  const { current, old } = position
  if (old === undefined) return { v: 1, ...current }
  const prefixed = Object.entries(old).map(([key, value]) => [`old_${key}`, value])
  return { v: 1, ...current, ...(Object.fromEntries(prefixed) as SourcePosition) }
}

/** The inverse of {@link encodePosition}; undefined for anything that it did not make. */
export function decodePosition(position: SourcePosition | undefined): FilePosition | undefined {
  if (position === undefined || position.v !== 1) return undefined
  const current = decodeMark(position, '')
  const old = decodeMark(position, 'old_')
  if (current === undefined) return undefined
  return old === undefined ? { current } : { current, old }
}

function decodeMark(position: SourcePosition, prefix: string): FileMark | undefined {
  const text = (key: string, pattern: RegExp) => {
    const value = position[prefix + key]
    return typeof value === 'string' && pattern.test(value) ? value : undefined
  }
  const count = (key: string) => {
    const value = position[prefix + key]
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
  }
  const dev = text('dev', /^\d{1,20}$/)
  const ino = text('ino', /^\d{1,20}$/)
  const offset = count('offset')
  const fingerprint = text('fingerprint', /^([0-9a-f]{32})?$/)
  const fingerprintBytes = count('fingerprintBytes')
  const path = text('path', /^[^\0]{0,4096}$/)
  if (dev === undefined || ino === undefined || offset === undefined || path === undefined) return undefined
  if (fingerprint === undefined || fingerprintBytes === undefined || fingerprintBytes > fingerprintLength)
    return undefined
  if ((fingerprintBytes === 0) !== (fingerprint === '')) return undefined
  return { dev, ino, offset, fingerprint, fingerprintBytes, path }
}

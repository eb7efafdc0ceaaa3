/**
 * Takes disk space for the table before LMDB needs it. When one of LMDB's own writes fails, lmdb 3.5 formats its message into a buffer that is
 * too short for it and damages the heap (mdb.c, mdb_page_flush): a full disk could end the process. Written zeros behind its last page keep that
 * from happening: a full disk is met here, where it is an ordinary error.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'

const ZEROS = Buffer.alloc(256 * 1024)
/** Taken at a time, bytes. */
const STEP_BYTES = 4 * 1024 * 1024

/** Room behind the used part of one file. */
export class FileRoom {
  readonly #path: string
  readonly #usedBytes: () => number
  /** At least this much is free behind the used part. */
  #freeBytes = 0

  /** `usedBytes` tells how much of the file is in use now. */
  constructor(path: string, usedBytes: () => number) {
    this.#path = path
    this.#usedBytes = usedBytes
  }

  /**
   * Makes sure of `bytes` for the next write, which may use them up. Where that is much, `closerBound` is asked for less: it is given how much
   * of the file is in use. @throws the system's error (ENOSPC, EFBIG, EDQUOT)
   */
  take(bytes: number, closerBound: (usedBytes: number) => number): void {
    const isMuch = bytes > STEP_BYTES && this.#freeBytes < bytes
    const needed = isMuch ? Math.min(bytes, closerBound(this.#usedBytes())) : bytes
    if (this.#freeBytes < needed) this.#freeBytes = fillTo(this.#path, this.#usedBytes(), needed)
    this.#freeBytes -= needed
  }
}

/** Lengthens the file with zeros where less than `bytes` are free behind `usedBytes`; returns how many are then. @throws the system's error */
export function fillTo(path: string, usedBytes: number, bytes: number): number {
  const fd = openSync(path, 'r+')
  try {
    let size = fstatSync(fd).size
    if (size - usedBytes >= bytes) return size - usedBytes
    const target = usedBytes + Math.max(bytes, STEP_BYTES)
    try {
      while (size < target) size += writeSync(fd, ZEROS, 0, Math.min(ZEROS.length, target - size), size)
    } catch (error) {
      if (size - usedBytes < bytes) throw error
    }
    return size - usedBytes
  } finally {
    closeSync(fd)
  }
}

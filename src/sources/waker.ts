/** Wakes a reader when its files change: inotify, with a slow poll behind it as the safety net. */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'

/** Tells a reader when to look again. Tests hand in one of their own and wake it by hand. */
export interface Waker {
  /** Watches these files (and the names that rotation makes of them) from now on; they need not exist. */
  watch(paths: readonly string[]): void
  /** Resolves when something may have happened since the last call of `wait` returned, after the poll interval, or on abort. Never rejects. */
  wait(signal: AbortSignal): Promise<void>
  close(): void
}

/** Watches directories with inotify (so that a rename or a new file is seen too) and polls each `pollMilliseconds`. */
export class FileWaker implements Waker {
  readonly #clock: Clock
  readonly #pollMilliseconds: number
  #watchers: FSWatcher[] = []
  #woken = false
  #wake: (() => void) | undefined

  constructor(clock: Clock, pollMilliseconds: number) {
    this.#clock = clock
    this.#pollMilliseconds = pollMilliseconds
  }

  watch(paths: readonly string[]): void {
    this.close()
    const basesOf = new Map<string, string[]>()
    for (const path of new Set(paths)) {
      const directory = dirname(path)
      basesOf.set(directory, [...(basesOf.get(directory) ?? []), basename(path)])
    }
    for (const [directory, bases] of basesOf) this.#watchDirectory(directory, bases)
  }

  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#woken = false
        this.#wake = undefined
        cancelTimer()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancelTimer = this.#clock.setTimer(this.#pollMilliseconds, done)
      this.#wake = done
      signal.addEventListener('abort', done, { once: true })
      if (this.#woken || signal.aborted) done()
    })
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  /** A directory that is missing, or one watch too many for the system, leaves the poll. */
  #watchDirectory(directory: string, bases: readonly string[]): void {
    try {
      const watcher = watch(directory, (_event, name) => {
        if (name === null || bases.some((base) => name.startsWith(base))) this.#notify()
      })
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // The poll sees the file as well, only later.
    }
  }

  #notify(): void {
    this.#woken = true
    this.#wake?.()
  }
}

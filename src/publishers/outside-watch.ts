/** Notices that somebody else changed a file: a watch on its directory, with a slow poll behind it. */
import { type FSWatcher, watch } from 'node:fs'
import type { Clock } from '../lib/clock.ts'

const SETTLE_MS = 100
const POLL_MS = 5000

/** Asks `isTouched` after each change in the directory and each 5 seconds, and calls `onChange` where it says so. Runs until closed. */
export class OutsideWatch {
  readonly #clock: Clock
  readonly #isTouched: () => Promise<boolean>
  readonly #onChange: () => void
  #watcher: FSWatcher | undefined
  #cancelPoll: () => void = () => {}
  #cancelSettle: (() => void) | undefined
  #isClosed = false

  constructor(directory: string, clock: Clock, isTouched: () => Promise<boolean>, onChange: () => void) {
    this.#clock = clock
    this.#isTouched = isTouched
    this.#onChange = onChange
    this.#pollLater(directory)
    this.#open(directory)
  }

  // Where the system has no watch left to give, the poll does alone.
  #open(directory: string): void {
    try {
      this.#watcher = watch(directory, { persistent: false }, () => this.#settle())
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      this.#watcher = undefined
    }
  }

  // Editors write in several steps; what is left after a moment's quiet is what was meant.
  #settle(): void {
    this.#cancelSettle ??= this.#clock.setTimer(SETTLE_MS, () => {
      this.#cancelSettle = undefined
      void this.#check()
    })
  }

  #pollLater(directory: string): void {
    this.#cancelPoll = this.#clock.setTimer(POLL_MS, () => {
      void this.#check()
      this.#pollLater(directory)
    })
  }

  async #check(): Promise<void> {
    if ((await this.#isTouched()) && !this.#isClosed) this.#onChange()
  }

  close(): void {
    this.#isClosed = true
    this.#watcher?.close()
    this.#cancelPoll()
    this.#cancelSettle?.()
  }
}

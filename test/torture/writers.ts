// Who writes the logs: a syslog daemon that is sent lines, or a program that writes its own file and flushes where its buffer is full.
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../fuzz/support/random.ts'
import type { Ledger } from './ledger.ts'

/** Writes lines of its ledger until it is told to stop. */
export interface Writer {
  /** Resolves once it has stopped, with its last line whole. */
  run(signal: AbortSignal): Promise<void>
  /** Tells it that its file was renamed; resolves once it has moved on. A syslog daemon gets its signal from the rotation tool instead. */
  reopen(): Promise<void>
}

/** Pauses with bursts between them. */
async function rest(random: Random): Promise<void> {
  await pause(random.chance(0.1) ? 0 : random.below(60))
}

function burst(ledger: Ledger, random: Random): string {
  const count = random.chance(0.02) ? 200 : 1 + random.below(3)
  let text = ''
  for (let i = 0; i < count; i++) for (const line of ledger.next()) text += `${line}\n`
  return text
}

/** Sends lines to a syslog daemon's Unix stream socket. */
export class SyslogWriter implements Writer {
  readonly #socketPath: string
  readonly #ledger: Ledger
  readonly #random: Random

  constructor(socketPath: string, ledger: Ledger, random: Random) {
    this.#socketPath = socketPath
    this.#ledger = ledger
    this.#random = random
  }

  async reopen(): Promise<void> {}

  async run(signal: AbortSignal): Promise<void> {
    const socket = await connected(this.#socketPath)
    let problem: Error | undefined
    socket.on('error', (error) => {
      problem = error
    })
    while (!signal.aborted) {
      if (problem !== undefined) throw problem
      const isTaken = socket.write(burst(this.#ledger, this.#random))
      if (!isTaken) await new Promise<void>((resolve) => socket.once('drain', resolve))
      await rest(this.#random)
    }
    await new Promise<void>((resolve) => socket.end(resolve))
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Appends to its file, and often flushes in the middle of a line; between the halves anything may happen to the file. */
export class DirectWriter implements Writer {
  readonly #path: string
  readonly #ledger: Ledger
  readonly #random: Random
  #fd: number
  #movedOn: (() => void) | undefined

  constructor(path: string, ledger: Ledger, random: Random) {
    this.#path = path
    this.#ledger = ledger
    this.#random = random
    this.#fd = this.#open()
  }

  reopen(): Promise<void> {
    return new Promise((resolve) => {
      this.#movedOn = resolve
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#write(Buffer.from(burst(this.#ledger, this.#random)))
      if (this.#random.chance(0.03)) await this.#write(this.#rubbish())
      await rest(this.#random)
      if (this.#movedOn !== undefined) this.#moveOn(this.#movedOn)
    }
    closeSync(this.#fd)
  }

  async #write(bytes: Buffer): Promise<void> {
    let at = 0
    if (this.#random.chance(0.4)) {
      at = this.#random.below(bytes.length)
      writeSync(this.#fd, bytes, 0, at)
      await pause(this.#random.below(40))
    }
    while (at < bytes.length) at += writeSync(this.#fd, bytes, at)
  }

  /** NULs, bytes that are no UTF-8, and at times a line that is too long. */
  #rubbish(): Buffer {
    const length = this.#random.chance(0.1) ? 1_100_000 : this.#random.below(3000)
    const bytes = Buffer.alloc(length + 1, this.#random.pick([0, 0xff, 0xc3, 0x0d, 0x2e]))
    bytes[length] = 10
    return bytes
  }

  #moveOn(tell: () => void): void {
    this.#movedOn = undefined
    closeSync(this.#fd)
    this.#fd = this.#open()
    tell()
  }

  #open(): number {
    return openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o640)
  }
}

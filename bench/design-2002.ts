/**
 * A model of how the popauthd of 2002 worked, to be measured against: each second it read what the log had got, and for each login of an address
 * that `access` did not hold it appended a line there and ran `makemap` over the whole file, in place.
 *
 * Simpler than it was: no Perl (lines are taken apart here, programs are started by Node), no locks on the text files, no logins of known
 * addresses (there are none in the measurement), no hourly clean-up beside it. Its searches in `access` and its `makemap` are the real programs.
 */
import { appendFileSync, closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { mustRun, run } from '../test/support/run.ts'

const POLL_MS = 1000
const MAKEMAP_TIMEOUT_MS = 300_000
const LOGIN = /^(\w+\s+\d+ \d+:\d+:\d+) .*POP login by user "(.+)" at .*\s(\d+\.\d+\.\d+\.\d+)$/

/** Where it works. */
export interface Design2002Options {
  /** Qpopper's log. */
  readonly logPath: string
  /** The text of the map. */
  readonly accessPath: string
  /** A program that is makemap. */
  readonly makemap: string
  /** Addresses that have logged in already. */
  readonly addresses: readonly string[]
}

/** The daemon, in this process; its programs are processes of their own. Disposing ends it after what it is at. */
export class Design2002 implements AsyncDisposable {
  readonly #options: Design2002Options
  readonly #log: number
  readonly #over = new AbortController()
  #rest = ''
  #done: Promise<void> = Promise.resolve()

  private constructor(options: Design2002Options) {
    this.#options = options
    this.#log = openSync(options.logPath, 'r')
  }

  /** Makes the map of the addresses, then follows the log. @throws {Error} where makemap fails */
  static async start(options: Design2002Options): Promise<Design2002> {
    const { accessPath, addresses } = options
    const date = 'Nov 22 10:54:52'
    writeFileSync(accessPath, addresses.map((address) => `${address}\tRELAY\n`).join(''))
    writeFileSync(
      `${accessPath}.info`,
      addresses.map((address, n) => `${date}\tuser${n}\t${address}\t1795344892\n`).join(''),
    )
    const daemon = new Design2002(options)
    await daemon.#rebuild()
    daemon.#done = daemon.#follow()
    daemon.#done.catch(() => {}) // it is thrown where the daemon is disposed
    return daemon
  }

  /** @throws {Error} where makemap failed meanwhile */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#done
    closeSync(this.#log)
  }

  async #follow(): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      for (const line of this.#newLines()) await this.#take(line)
      await pause(POLL_MS, undefined, { signal }).catch(() => {})
    }
  }

  #newLines(): string[] {
    const buffer = Buffer.alloc(65_536)
    for (let bytes = readSync(this.#log, buffer); bytes > 0; bytes = readSync(this.#log, buffer)) {
      this.#rest += buffer.toString('latin1', 0, bytes)
    }
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines
  }

  async #take(line: string): Promise<void> {
    const [, date, user, address] = LOGIN.exec(line) ?? []
    if (address === undefined || (await this.#isKnown(address))) return
    const { accessPath } = this.#options
    appendFileSync(accessPath, `${address}\tRELAY\n`)
    await this.#rebuild()
    appendFileSync(`${accessPath}.info`, `${date}\t${user}\t${address}\t${Math.floor(Date.now() / 1000)}\n`)
  }

  async #isKnown(address: string): Promise<boolean> {
    const word = `\\<${address.replaceAll('.', '\\.')}\\>`
    return (await run('grep', ['-q', word, this.#options.accessPath])).code === 0
  }

  async #rebuild(): Promise<void> {
    const { makemap, accessPath } = this.#options
    const script = ['-c', 'exec "$1" hash "$2" < "$2"', 'sh', makemap, accessPath]
    await mustRun('sh', script, { timeoutMs: MAKEMAP_TIMEOUT_MS })
  }
}

/** Tells a command of the operator's what the table says: run once for each batch of changes, with a line for each on its standard input. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TableChange } from '../../core/authorization.ts'
import type { Network } from '../../core/client-address.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import { slicesOf } from '../slices.ts'
import { ALL, alwaysLine, CHANGES, changeLine, END, grantedLine } from './protocol.ts'
import { runCommand } from './run-command.ts'

/** What it needs. */
export interface CommandPublisherOptions {
  /** Program and arguments. */
  readonly command: readonly string[]
  /** How many bits an IPv6 login opens. */
  readonly ipv6Prefix: number
  /** Where root runs popauthd, the command is run as the owner of this directory. */
  readonly stateDirectory: string
  readonly clock: Clock
}

/** Changes written at once. */
const SLICE = 500

/** The publisher of a command. After a failure, and at first, the command is told everything anew. */
export class CommandPublisher implements Publisher {
  readonly name: string
  readonly needs = 'expiry'
  readonly #options: CommandPublisherOptions
  #always: readonly Network[] = []
  #isInStep = false

  constructor(options: CommandPublisherOptions) {
    this.name = `command ${options.command[0]}`
    this.#options = options
  }

  setAlways(networks: readonly Network[]): void {
    this.#always = networks
    this.#isInStep = false
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    if (!this.#isInStep) await this.resync(all, signal)
    else if (changes.length > 0) await this.#tell(this.#changes(changes, signal), signal)
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    await this.#tell(this.#everybody(all, this.#always, signal), signal)
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    await this.#tell(
      this.#everybody(() => [], [], signal),
      signal,
    )
    this.#isInStep = false
  }

  async #tell(lines: AsyncIterable<string>, signal: AbortSignal): Promise<void> {
    this.#isInStep = false
    await runCommand(lines, signal, this.#options)
    this.#isInStep = true
  }

  async *#everybody(all: WholeTable, always: readonly Network[], signal: AbortSignal): AsyncGenerator<string> {
    const { ipv6Prefix } = this.#options
    yield ALL + always.map(alwaysLine).join('')
    for await (const slice of slicesOf(all(), signal))
      yield slice.map((authorization) => grantedLine(authorization, ipv6Prefix)).join('')
    yield END
  }

  async *#changes(changes: readonly TableChange[], signal: AbortSignal): AsyncGenerator<string> {
    const { ipv6Prefix } = this.#options
    yield CHANGES
    for (let at = 0; at < changes.length; at += SLICE) {
      const slice = changes.slice(at, at + SLICE)
      yield slice.map((change) => changeLine(change, this.#always, ipv6Prefix)).join('')
      await nextTurn()
      signal.throwIfAborted()
    }
    yield END
  }

  /** Nothing is held between the calls. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

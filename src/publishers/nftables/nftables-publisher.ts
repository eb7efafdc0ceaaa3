/**
 * Keeps sets of an nftables ruleset equal to the table, each element with a timeout: the kernel lets it run out also where popauthd is dead.
 * nft never lists a set here: up to nft 1.0.9 that takes a minute for a million elements. What has to be known is tried with `nft -c`, which changes nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TableChange } from '../../core/authorization.ts'
import type { Network } from '../../core/client-address.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import { type ToolInput, type ToolResult, toolResult } from '../run-tool.ts'
import { slicesOf } from '../slices.ts'
import * as format from './format.ts'
import { LastingElements } from './lasting-elements.ts'
import { failedTransaction, intervalSet, isMissing, type SetKind, unusableSet } from './set-errors.ts'
import { SlowPoll } from './slow-poll.ts'

/** What the publisher needs. */
export interface NftablesOptions {
  /** For people: the format and the table. */
  readonly name: string
  readonly sets: format.SetNames
  /** nft, and arguments that go before popauthd's. */
  readonly command: readonly string[]
  readonly clock: Clock
  /** True for a set (family, table, name) that closing must leave alone: another map fills it. */
  readonly spares?: ((set: string) => boolean) | undefined
}

const WHEN_MISSING = 'install nftables, or name the program in `command` of the map'
const ASK_MS = 60_000
const LOGINS_4 = { type: 'ipv4_addr', flags: 'timeout' } as const
const LOGINS_6 = { type: 'ipv6_addr', flags: 'timeout' } as const
const ALWAYS_4 = { type: 'ipv4_addr', flags: 'interval' } as const
const ALWAYS_6 = { type: 'ipv6_addr', flags: 'interval' } as const
/** An address and a network of each family that no client has (RFC 5737, RFC 3849), to try a set with. */
const EXAMPLES = {
  ipv4_addr: { address: '192.0.2.1', network: '192.0.2.0/31' },
  ipv6_addr: { address: '2001:db8::1', network: '2001:db8::/127' },
} as const

/** The publisher of the sets of one table. A failure leaves them as they were: nft's scripts are transactions. */
export class NftablesPublisher implements Publisher {
  readonly name: string
  readonly needs = 'expiry'
  readonly #options: NftablesOptions
  readonly #lasting = new LastingElements()
  readonly #abort = new AbortController()
  #always: readonly Network[] = []
  #isInStep = false
  /** How many runs have begun. */
  #turn = 0
  #poll: SlowPoll | undefined

  constructor(options: NftablesOptions) {
    this.name = options.name
    this.#options = options
  }

  setAlways(networks: readonly Network[]): void {
    this.#always = networks
    this.#isInStep = false
  }

  async publish(changes: readonly TableChange[], all: WholeTable, signal: AbortSignal): Promise<void> {
    const { sets, clock } = this.#options
    if (!this.#isInStep || this.#lasting.isSpent(clock.now())) return this.resync(all, signal)
    if (changes.length === 0) return
    await this.#run(signal, async () => {
      await this.#apply(
        inTurns(
          format.changesScript(changes, sets, () => clock.now()),
          signal,
        ),
        signal,
      )
      for (const { kind, address, untilMs } of changes) {
        const element = { set: format.setOf(address, sets), address, untilMs }
        if (kind === 'ended') this.#lasting.drop(element)
        else this.#lasting.note(element)
      }
    })
  }

  async resync(all: WholeTable, signal: AbortSignal): Promise<void> {
    const { sets, clock } = this.#options
    await this.#run(signal, async () => {
      await this.#checkLogins(sets.ipv4, LOGINS_4, signal)
      await this.#checkLogins(sets.ipv6, LOGINS_6, signal)
      const always = await this.#alwaysScript(signal)
      this.#lasting.clear()
      const note = (element: format.SetElement) => this.#lasting.note(element)
      const logins = format.wholeScript(slicesOf(all(), signal), sets, () => clock.now(), note)
      await this.#apply(after(always, logins), signal)
    })
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    const { ipv4, ipv6, alwaysIpv4, alwaysIpv6 } = this.#options.sets
    await this.#run(signal, async () => {
      let script = await this.#flushIfThere(ipv4, LOGINS_4, signal)
      script += await this.#flushIfThere(ipv6, LOGINS_6, signal)
      script += await this.#flushIfThere(alwaysIpv4, ALWAYS_4, signal)
      script += await this.#flushIfThere(alwaysIpv6, ALWAYS_6, signal)
      if (script !== '') await this.#apply(script, signal)
    })
    this.#isInStep = false
  }

  /** Asks for one element of each set that must still be there: a ruleset that was loaded anew has lost it. */
  watch(onChange: () => void): void {
    this.#poll ??= new SlowPoll(this.#options.clock, async () => {
      if (await this.#isEmptied()) onChange()
    })
  }

  async #isEmptied(): Promise<boolean> {
    const turn = this.#turn
    const elements = this.#lasting.present(this.#options.clock.now())
    if (!this.#isInStep || elements.length === 0) return false
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(ASK_MS)])
    const answer = await this.#try(format.presenceScript(elements), signal).catch(() => undefined)
    return answer !== undefined && answer.status !== 0 && this.#isInStep && turn === this.#turn
  }

  async #run(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    this.#turn++
    this.#isInStep = false
    signal.throwIfAborted()
    await work()
    this.#isInStep = true
  }

  async #alwaysScript(signal: AbortSignal): Promise<string> {
    const { alwaysIpv4, alwaysIpv6 } = this.#options.sets
    const ipv4 = await this.#alwaysOfOne(alwaysIpv4, ALWAYS_4, signal)
    return ipv4 + (await this.#alwaysOfOne(alwaysIpv6, ALWAYS_6, signal))
  }

  // Who opens no network without a login needs no set for such.
  async #alwaysOfOne(set: string, kind: SetKind, signal: AbortSignal): Promise<string> {
    const networks = format.disjointNetworks(this.#always, kind.type === 'ipv4_addr')
    if (networks.length === 0) return this.#flushIfThere(set, kind, signal)
    const script = format.networksScript(set, networks)
    const { status, said } = await this.#try(script, signal)
    if (status !== 0) throw unusableSet(set, kind, said)
    return script
  }

  async #flushIfThere(set: string, kind: SetKind, signal: AbortSignal): Promise<string> {
    if (this.#options.spares?.(set)) return ''
    const script = format.flushScript(set)
    const { status, said } = await this.#try(script, signal)
    if (status === 0) return script
    if (isMissing(said)) return ''
    throw unusableSet(set, kind, said)
  }

  async #checkLogins(set: string, kind: SetKind, signal: AbortSignal): Promise<void> {
    const { address, network } = EXAMPLES[kind.type]
    const single = await this.#try(`add element ${set} { ${address} timeout 1m }\n`, signal)
    if (single.status !== 0) throw unusableSet(set, kind, single.said)
    const wide = await this.#try(`add element ${set} { ${network} timeout 1m }\n`, signal)
    // Overlaps and conflicts are known of sets of intervals only.
    if (wide.status === 0 || /overlap|conflict/i.test(wide.said)) throw intervalSet(set, kind)
  }

  async #apply(script: ToolInput, signal: AbortSignal): Promise<void> {
    const { status, said } = await this.#nft(['-f', '-'], script, signal)
    if (status !== 0) throw failedTransaction(this.name, status, said)
  }

  #try(script: string, signal: AbortSignal): Promise<ToolResult> {
    return this.#nft(['-c', '-f', '-'], script, signal)
  }

  #nft(args: readonly string[], script: ToolInput, signal: AbortSignal): Promise<ToolResult> {
    return toolResult([...this.#options.command, ...args], script, signal, { whenMissing: WHEN_MISSING })
  }

  /** Ends the watch. The sets stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#poll?.close()
    this.#poll = undefined
    this.#abort.abort()
  }
}

async function* after(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}

async function* inTurns(pieces: Iterable<string>, signal: AbortSignal): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece
    await nextTurn()
    signal.throwIfAborted()
  }
}

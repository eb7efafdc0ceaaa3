/**
 * The cdb that tcpserver -x reads (tcprules(1)): the operator's rules, and an entry for each client that may relay. tcpserver heeds only the first
 * entry that it finds, so an entry takes over what the rules say about its client, and adds RELAYCLIENT.
 */
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, isIPv4Address, type Network, networkOf } from '../../core/client-address.ts'
import { UsageError } from '../../errors.ts'
import { type CdbEntry, cdbFile } from '../../lib/cdb.ts'
import type { FileFormat, FileInputs } from '../file-publisher.ts'
import { LatestReading } from '../latest-reading.ts'
import type { OwnFiles } from '../own-files.ts'
import type { ReadingMemory } from '../reading-memory.ts'
import { keyOfAddress, keysOfNetwork, liesIn } from './keys.ts'
import { TcpRules } from './rules.ts'
import { withoutLogins } from './without-logins.ts'

/** What the format needs. */
export interface TcprulesOptions {
  /** The operator's rules; undefined: none. */
  readonly rules: OwnFiles | undefined
  /** What they said last, for a later run. */
  readonly memory?: ReadingMemory
  /** How many bits an IPv6 login opens. */
  readonly ipv6Prefix: number
  /** Tells the operator what was left out. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
}

/** @throws {UsageError} where `ipv6Prefix` cannot be said in rules */
export function tcprulesFormat(options: TcprulesOptions): FileFormat {
  const { rules, memory, ipv6Prefix, notice } = options
  keysOrThrow(networkOf('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' as ClientAddress, ipv6Prefix))
  const reading = rules && new LatestReading(rules, { parse: TcpRules.parse, notice, memory })
  let toldOf = 0
  return {
    needs: 'membership',
    check: (always) => void always.flatMap(keysOrThrow),
    ...(reading === undefined ? {} : { inputs: inputsOf(reading) }),
    async *render(slices, always) {
      const own = (await reading?.now()) ?? TcpRules.none
      const live = new LiveRules(own, ipv6Prefix)
      yield* cdbFile(entriesOf(slices, live, own, always))
      if (live.leftOut > toldOf)
        notice('IPv6 networks with a zero among their words cannot be said in rules', { count: live.leftOut })
      toldOf = live.leftOut
    },
  }
}

function inputsOf(reading: LatestReading<TcpRules>): FileInputs {
  return {
    load: async () => void (await reading.now()),
    get trouble() {
      return reading.trouble
    },
    withoutLogins,
  }
}

/** Of entries with one key tcpserver finds the first: logins, then `always`, then the operator's rules and the default. */
async function* entriesOf(
  slices: AsyncIterable<readonly Authorization[]>,
  live: LiveRules,
  own: TcpRules,
  always: readonly Network[],
): AsyncGenerator<Iterable<CdbEntry>> {
  for await (const slice of slices) yield live.entries(slice)
  yield relaying(own, always.flatMap(keysOrThrow))
  yield ownEntries(own, always)
  yield [{ key: '', data: '' }]
}

function* ownEntries(own: TcpRules, always: readonly Network[]): Generator<CdbEntry> {
  for (const [key, { data }] of own.byKey)
    yield { key, data: always.length > 0 && liesIn(key, always) ? (own.relaying(key) ?? data) : data }
}

/** The entries of clients that have logged in. */
class LiveRules {
  /** Networks for which there is no key. */
  leftOut = 0
  readonly #own: TcpRules
  readonly #ipv6Prefix: number

  constructor(own: TcpRules, ipv6Prefix: number) {
    this.#own = own
    this.#ipv6Prefix = ipv6Prefix
  }

  *entries(slice: readonly Authorization[]): Generator<CdbEntry> {
    for (const { address } of slice) {
      if (this.#own.denied.vetoFor(address, this.#ipv6Prefix) !== undefined) continue
      const isWhole = this.#ipv6Prefix === 128 || isIPv4Address(address)
      const said = isWhole ? { keys: [keyOfAddress(address)] } : keysOfNetwork(networkOf(address, this.#ipv6Prefix))
      if ('keys' in said) yield* relaying(this.#own, said.keys)
      else this.leftOut++
    }
  }
}

function* relaying(own: TcpRules, keys: readonly string[]): Generator<CdbEntry> {
  for (const key of keys) {
    const data = own.relaying(key)
    if (data !== undefined) yield { key, data }
  }
}

function keysOrThrow(network: Network): string[] {
  const said = keysOfNetwork(network)
  if ('keys' in said) return said.keys
  throw new UsageError(`rules for tcpserver cannot say it: ${said.problem}`, {
    mend: 'write smaller networks, on the boundaries of octets (IPv4) or 16-bit words (IPv6)',
  })
}

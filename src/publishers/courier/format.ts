/**
 * The file that popauthd adds to Courier's directory `smtpaccess` (makesmtpaccess(8)): one `ADDRESS<TAB>allow,RELAYCLIENT` a line. couriertcpd heeds
 * only the most specific entry of a client, so one takes over what the operator's own files say about it; and makedat refuses everything where
 * a key comes twice, so a key of those files is left to them.
 */
import type { Authorization } from '../../core/authorization.ts'
import { type ClientAddress, isIPv4Address, type Network, networkOf } from '../../core/client-address.ts'
import { UsageError } from '../../errors.ts'
import type { FileFormat } from '../file-publisher.ts'
import { LatestReading } from '../latest-reading.ts'
import type { OwnFiles } from '../own-files.ts'
import type { ReadingMemory } from '../reading-memory.ts'
import { keyCountOf, keyOfAddress, keysOfNetwork } from './keys.ts'
import { OwnEntries, relays } from './own-entries.ts'

/** What the format needs. */
export interface CourierOptions {
  /** The operator's files. */
  readonly own: OwnFiles
  /** What they said last, for a later run. */
  readonly memory?: ReadingMemory
  /** How many bits an IPv6 login opens. */
  readonly ipv6Prefix: number
  /** Tells the operator what was left out. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
}

// The empty line: a file of the operator's that lacks its last line end is read together with the beginning of this one.
const HEAD = '\n# Kept by popauthd; what is written here by hand is lost.\n'
const MOST_KEYS = 256

/** @throws {UsageError} where `ipv6Prefix` cannot be said in keys */
export function courierFormat({ own, memory, ipv6Prefix, notice }: CourierOptions): FileFormat {
  keysOrThrow(networkOf('2001:db8::' as ClientAddress, ipv6Prefix))
  const entries = new LatestReading(own, { parse: OwnEntries.parse, notice, memory })
  let toldOf = 0
  return {
    needs: 'membership',
    check: (always) => void always.flatMap(keysOrThrow),
    inputs: {
      load: async () => void (await entries.now()),
      get trouble() {
        return entries.trouble
      },
      withoutLogins: (earlier) => (earlier?.toString('latin1') === HEAD ? undefined : headOnly()),
    },
    async *render(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]) {
      const lines = new Lines(await entries.now(), always, ipv6Prefix)
      yield HEAD
      yield lines.always()
      for await (const slice of slices) yield lines.live(slice)
      const { leftOut } = lines
      if (leftOut > toldOf)
        notice('clients with an entry in the files of smtpaccess are left as those say', { count: leftOut })
      toldOf = leftOut
    },
  }
}

/** The operator's own lines are in files of their own: nothing else is to be kept. */
async function* headOnly(): AsyncGenerator<string> {
  yield HEAD
}

/** The lines of one file. */
class Lines {
  /** Clients that would relay, but the operator's files have an entry for them. */
  leftOut = 0
  readonly #own: OwnEntries
  readonly #always: ReadonlySet<string>
  readonly #ipv6Prefix: number

  constructor(own: OwnEntries, always: readonly Network[], ipv6Prefix: number) {
    this.#own = own
    this.#always = new Set(always.flatMap(keysOrThrow))
    this.#ipv6Prefix = ipv6Prefix
  }

  always(): string {
    return [...this.#always].map((key) => this.#line(key)).join('')
  }

  live(slice: readonly Authorization[]): string {
    let text = ''
    for (const { address } of slice) {
      if (this.#own.denied.vetoFor(address, this.#ipv6Prefix) !== undefined) continue
      const isWhole = this.#ipv6Prefix === 128 || isIPv4Address(address)
      const keys = isWhole ? [keyOfAddress(address)] : keysOfNetwork(networkOf(address, this.#ipv6Prefix))
      for (const key of keys) if (!this.#always.has(key)) text += this.#line(key)
    }
    return text
  }

  #line(key: string): string {
    const own = this.#own.byKey.get(key)
    if (own !== undefined && !relays(own)) this.leftOut++
    if (own !== undefined) return ''
    const value = this.#own.relaying(key)
    return value === undefined ? '' : `${key}\t${value}\n`
  }
}

function keysOrThrow(network: Network): string[] {
  const count = keyCountOf(network)
  if (count <= MOST_KEYS && !network.text.endsWith('/0')) return keysOfNetwork(network)
  const why = network.text.endsWith('/0')
    ? 'is every address there is'
    : `would take ${count} keys, ${MOST_KEYS} are the most`
  throw new UsageError(`smtpaccess cannot say it: ${network.text} ${why}`, {
    mend: 'write smaller networks, on the boundaries of octets (IPv4) or 16-bit words (IPv6)',
  })
}

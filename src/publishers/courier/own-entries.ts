/**
 * The operator's own files in Courier's directory `smtpaccess`, read as makesmtpaccess(8) does (makedat with -cidr): the key up to the first tab,
 * `#` comments, networks and ranges taken apart into keys.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  addressToBytes,
  type ClientAddress,
  isIPv4Address,
  type Network,
  networkOf,
  parseClientAddress,
  parseNetworkAround,
} from '../../core/client-address.ts'
import { StaticEntries } from '../../core/static-entries.ts'
import { PublishError } from '../../errors.ts'
import type { OwnFile } from '../own-files.ts'
import { DEFAULT_KEY, keyCountOf, keysOfNetwork, lookupsOf } from './keys.ts'

const TURN = 1000
const MOST_KEYS = 65_536
const MOST_DENIED_KEYS = 256

/** Names of files that makesmtpaccess reads. */
export function isReadByCourier(name: string): boolean {
  return !name.endsWith('~') && !/\.dpkg-[a-z]*$/.test(name)
}

/** The name of popauthd's own file in that directory: a copy that root makes, or a link. */
export const NAME = 'popauthd'

/** Names of files that are the operator's own. */
export function isOperators(name: string): boolean {
  return isReadByCourier(name) && name !== NAME
}

/** The operator's entries. */
export class OwnEntries {
  /** Key and value, such as `allow,BLOCK="550 no"`. */
  readonly byKey: ReadonlyMap<string, string>
  /** What is denied, in spellings that couriertcpd does not find too. */
  readonly denied: StaticEntries

  private constructor(byKey: ReadonlyMap<string, string>, denied: string) {
    this.byKey = byKey
    this.denied = new StaticEntries(denied)
  }

  /** @throws {PublishError} with file, line and mend where a line cannot be understood */
  static async parse(files: readonly OwnFile[]): Promise<OwnEntries> {
    const byKey = new Map<string, string>()
    const denied: string[] = []
    for (const { path, text } of files)
      for (const [index, line] of text.split('\n').entries()) {
        const where = `line ${index + 1} of ${path}`
        const { networks, key, value } = entryOf(line, where)
        for (const own of networks === undefined ? [key] : keysOf(networks, where))
          if (own !== '') byKey.set(own, value)
        if (networks === undefined) denied.push(...deniedBy(line))
        else if (value.startsWith('deny')) denied.push(...networks.flatMap(deniedNetwork))
        if (index % TURN === TURN - 1) await nextTurn()
      }
    return new OwnEntries(byKey, denied.join(''))
  }

  /**
   * The value for `key` where its clients may relay: that of the most specific entry about them, and RELAYCLIENT. Undefined where an entry denies
   * the address or a prefix of it, or where the default does and nothing else is said.
   */
  relaying(key: string): string | undefined {
    let applied: string | undefined
    for (const lookup of lookupsOf(key)) {
      const value = this.byKey.get(lookup)
      if (value?.startsWith('deny') && (lookup !== DEFAULT_KEY || applied === undefined)) return undefined
      applied ??= value
    }
    if (applied === undefined) return 'allow,RELAYCLIENT'
    return relays(applied) ? applied : `${applied},RELAYCLIENT`
  }
}

/** True for a value that lets its clients relay. */
export function relays(value: string): boolean {
  return /(?:^|,)\s*RELAYCLIENT\s*(?:[=,]|$)/.test(value) && !value.startsWith('deny')
}

/** One line: networks, or else a key (none: a comment). */
function entryOf(line: string, where: string): { networks?: readonly Network[]; key: string; value: string } {
  if (line === '.') throw refused(where, 'a line of a single dot ends everything that follows', 'take that line out')
  if (line === '' || line.startsWith('#')) return { key: '', value: '' }
  const [all, range = '', rest = ''] = /^([a-fA-F0-9:.]+[-/][a-fA-F0-9:.]+)\s+(.*)$/.exec(line) ?? []
  if (all !== undefined) return { networks: networksOf(range, where), key: '', value: rest || '1' }
  const tab = line.indexOf('\t')
  const key = tab < 0 ? line : line.slice(0, tab)
  return { key, value: (tab < 0 ? '' : line.slice(tab + 1)) || '1' }
}

// A blank in place of the tab, say: couriertcpd does not find it, but it is clear what is meant.
function deniedBy(line: string): string[] {
  const [, key = '', value = ''] = /^\s*([^\s#]\S*)\s+(.*)$/.exec(line) ?? []
  return value.startsWith('deny') ? [`${key.replace(/^:(?!:)/, '')} deny\n`] : []
}

// As keys where they are few: those are looked up, networks are gone through.
function deniedNetwork(network: Network): string[] {
  const keys = keyCountOf(network) > MOST_DENIED_KEYS ? [network.text] : keysOfNetwork(network)
  return keys.map((key) => `${key.replace(/^:(?!:)/, '')} deny\n`)
}

// Bits beyond the prefix do not matter to makedat.
function networksOf(text: string, where: string): readonly Network[] {
  const networks = text.includes('/') ? [parseNetworkAround(text.replace(/^:/, ''))] : networksBetween(text.split('-'))
  if (networks?.every((network) => network !== undefined)) return networks
  throw refused(where, `${text} is no network and no range`, 'write it as 192.0.2.0/24 or 192.0.2.1-192.0.2.5')
}

function keysOf(networks: readonly Network[], where: string): string[] {
  const count = networks.reduce((sum, network) => sum + keyCountOf(network), 0)
  if (count > MOST_KEYS)
    throw refused(where, `it takes ${count} keys, ${MOST_KEYS} are the most`, 'write smaller networks')
  return networks.flatMap(keysOfNetwork)
}

/** The networks that together are a range, both ends included. */
function networksBetween(ends: readonly string[]): Network[] | undefined {
  const [first, last] = ends.map(parseClientAddress)
  if (first === undefined || last === undefined || ends.length !== 2) return undefined
  if (isIPv4Address(last) !== isIPv4Address(first)) return undefined
  const width = isIPv4Address(first) ? 32 : 128
  const networks: Network[] = []
  const end = numberOf(last, width)
  for (let at = numberOf(first, width); at <= end; ) {
    let hostBits = 0
    const fits = (bits: number) => at % (1n << BigInt(bits)) === 0n && at + (1n << BigInt(bits)) - 1n <= end
    while (hostBits < width && fits(hostBits + 1)) hostBits++
    networks.push(networkOf(addressOf(at, width), width - hostBits))
    at += 1n << BigInt(hostBits)
  }
  return networks.length > 0 ? networks : undefined
}

function numberOf(address: ClientAddress, width: number): bigint {
  return BigInt(
    `0x${addressToBytes(address)
      .subarray(16 - width / 8)
      .toString('hex')}`,
  )
}

function addressOf(number: bigint, width: number): ClientAddress {
  const hex = number.toString(16).padStart(width / 4, '0')
  const text = width === 32 ? Buffer.from(hex, 'hex').join('.') : (hex.match(/.{4}/g) ?? []).join(':')
  return parseClientAddress(text) as ClientAddress
}

function refused(where: string, why: string, mend: string): PublishError {
  return new PublishError(`cannot read ${where}: ${why}`, { retryable: true, mend })
}

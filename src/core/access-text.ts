/** The text form of a sendmail access map, as makemap(8) reads it, and which client addresses a key is about (cf/README, "access_db"). */
import {
  addressFromBytes,
  type ClientAddress,
  isIPv4Address,
  isIPv6Network,
  type Network,
  parseClientAddress,
} from './client-address.ts'

/** One line that holds a key and a value. */
export interface AccessEntry {
  /** 1-based. */
  readonly line: number
  /** As written. Keys are compared folded to lower case, see {@link foldKey}. */
  readonly key: string
  /** Without blanks around it. */
  readonly value: string
  /** False where makemap would refuse the line (a blank in front): the entry is meant, but not in the map. */
  readonly usable: boolean
}

/** One line of an access text; `entry` is absent for comments, empty lines and lines without a value (`problem` says which). */
export interface AccessLine {
  /** Without its line end. */
  readonly text: string
  readonly entry?: AccessEntry
  readonly problem?: string
}

/** The lines of an access text. Line ends may be LF or CR LF; the last one may lack it. */
export function parseAccessText(text: string): AccessLine[] {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, index) => parseLine(line, index + 1))
}

function parseLine(text: string, line: number): AccessLine {
  if (text.startsWith('#') || /^\s*$/.test(text)) return { text }
  if (text.includes('\0')) return { text, problem: 'it holds a NUL byte' }
  const [, blank = '', key = '', value = ''] = /^(\s*)(\S+)\s*(.*)$/s.exec(text) ?? []
  if (value.trim() === '') return { text, problem: 'it has a key but no value' }
  const entry = { line, key, value: value.trim(), usable: blank === '' }
  return blank === '' ? { text, entry } : { text, entry, problem: 'it begins with a blank' }
}

/** The form in which keys are stored and compared: makemap folds ASCII letters. */
export function foldKey(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** The clients that a key is about: the leading decimal octets (IPv4) or 16-bit words (IPv6) of their addresses, or a CIDR network. */
export interface KeyScope {
  readonly tagged: boolean
  readonly family: 4 | 6
  /** Whole octets (1-4) or words (1-8), as numbers. */
  readonly parts: readonly number[]
  /** Set where the key was written as `ADDRESS/LENGTH`, which sendmail does not know: the length in bits of the family. */
  readonly prefixLength?: number
}

/**
 * What clients a key is about, in every spelling that an operator might use (`Connect:` tag or none, `IPv6:` or none, brackets, padded or
 * compressed words, a trailing dot, CIDR), including those that sendmail itself would not find. Undefined for names, mail addresses
 * and keys with other tags.
 */
export function scopeOfKey(key: string): KeyScope | undefined {
  const folded = foldKey(key)
  const tagged = folded.startsWith('connect:')
  const inner = (tagged ? folded.slice('connect:'.length) : folded).replace(/^\[(.*)\]$/, '$1')
  const marked = inner.startsWith('ipv6:')
  const bare = marked ? inner.slice('ipv6:'.length) : inner
  const [, text = '', length] = /^([0-9a-f.:]{1,45})(?:\/(\d{1,3}))?$/.exec(bare) ?? []
  const scope = (marked ? undefined : octetsOf(text)) ?? (marked || text.includes(':') ? wordsOf(text) : undefined)
  if (scope === undefined) return undefined
  if (length === undefined) return { tagged, ...scope }
  const widest = scope.family === 4 ? 32 : 128
  return Number(length) > widest ? undefined : { tagged, ...scope, prefixLength: Number(length) }
}

function octetsOf(text: string): { family: 4; parts: number[] } | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){0,3}\.?$/.test(text)) return undefined
  const parts = text.replace(/\.$/, '').split('.').map(Number)
  return parts.every((part) => part <= 255) ? { family: 4, parts } : undefined
}

function wordsOf(text: string): { family: 4 | 6; parts: number[] } | undefined {
  const start = /^((?:[0-9a-f]{1,4}:)*[0-9a-f]{1,4})(?:::?)?$/.exec(text)?.[1]
  const words = start?.split(':') ?? []
  if (start !== undefined && words.length <= 8)
    return { family: 6, parts: words.map((word) => Number.parseInt(word, 16)) }
  const address = parseClientAddress(text)
  if (address === undefined) return undefined
  return { family: isIPv4Address(address) ? 4 : 6, parts: partsOfAddress(address) }
}

/** The four octets of an IPv4 address, or the eight 16-bit words of an IPv6 address. */
export function partsOfAddress(address: ClientAddress): number[] {
  if (isIPv4Address(address)) return address.split('.').map(Number)
  const [head = '', tail] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : 8 - front.length - back.length
  return [...front, ...new Array<string>(gap).fill('0'), ...back].map((word) => Number.parseInt(word, 16))
}

/** A network as the octets (IPv4) or 16-bit words (IPv6) that its addresses begin with, for maps that cut addresses only there. */
export interface NetworkParts {
  readonly isIPv4: boolean
  /** How many octets or words are given, at least one. */
  readonly length: number
  /** How many lists of them it takes: several where the network ends within an octet or word. */
  readonly count: number
  /** The lists, in their order. */
  all(): number[][]
}

/** See {@link NetworkParts}. */
export function partsOfNetwork(network: Network): NetworkParts {
  const isIPv4 = !isIPv6Network(network)
  const [bits, partBits] = isIPv4 ? [network.bits - 96, 8] : [network.bits, 16]
  const length = Math.max(1, Math.ceil(bits / partBits))
  const count = 2 ** (length * partBits - bits)
  const all = () => {
    const parts = partsOfAddress(addressFromBytes(network.bytes)).slice(0, length)
    const last = parts.pop() as number
    return Array.from({ length: count }, (_, index) => [...parts, last + index])
  }
  return { isIPv4, length, count, all }
}

/** The address that a key names in whole (`192.0.2.1`, `Connect:IPv6:2001:db8:0:0:0:0:0:1`), or undefined for prefixes, networks and names. */
export function addressOfKey(key: string): ClientAddress | undefined {
  const scope = scopeOfKey(key)
  if (scope === undefined || scope.prefixLength !== undefined) return undefined
  if (scope.parts.length !== (scope.family === 4 ? 4 : 8)) return undefined
  if (scope.family === 4) return parseClientAddress(scope.parts.join('.'))
  return parseClientAddress(scope.parts.map((word) => word.toString(16)).join(':'))
}

/** True for the values that do not refuse a client: RELAY and OK. */
export function permits(value: string): boolean {
  return /^(relay|ok)$/i.test(value.trim())
}

/**
 * Keys of a sendmail access map (sendmail 8.17, cf/README "access_db"; tried on the real one, see docs/sendmail-findings.md) and the
 * lines of access.info, which the POPauthd of 2002 wrote. Leaves out the compressed IPv6 keys of `UseCompressedIPv6Addresses`.
 */
import { partsOfAddress, partsOfNetwork } from '../../core/access-text.ts'
import { type ClientAddress, isIPv4Address, type Network, parseClientAddress } from '../../core/client-address.ts'
import { escapeForTerminal } from '../../lib/escape.ts'

const MOST_KEYS = 256

/** The key under which sendmail looks up a whole client address: `Connect:192.0.2.1`, `Connect:IPv6:2001:db8:0:0:0:0:0:1`. */
export function keyOfAddress(address: ClientAddress, tagged: boolean): string {
  return keyOfParts(isIPv4Address(address), partsOfAddress(address), tagged)
}

function keyOfParts(isV4: boolean, parts: readonly number[], tagged: boolean): string {
  const text = isV4 ? parts.join('.') : `IPv6:${parts.map((word) => word.toString(16)).join(':')}`
  return tagged ? `Connect:${text}` : text
}

/**
 * The keys that together stand for `network`. sendmail cuts keys at octets and 16-bit words, so a network that ends in between takes
 * several; one that would take more than 256, or all addresses there are, is refused with the reason.
 */
export function keysOfNetwork(network: Network, tagged: boolean): { keys: string[] } | { problem: string } {
  const { text } = network
  if (text.endsWith('/0'))
    return { problem: `${text} is every address there is: no key of an access map stands for that` }
  const { isIPv4, length, count, all } = partsOfNetwork(network)
  if (count > MOST_KEYS) {
    const nearest = isIPv4 ? length * 8 - 8 : length * 16 - 8
    const mend = `write it as networks of ${nearest} bits or more`
    return { problem: `${text} would take ${count} keys in an access map, ${MOST_KEYS} are the most: ${mend}` }
  }
  return { keys: all().map((parts) => keyOfParts(isIPv4, parts, tagged)) }
}

/** One line of access.info. */
export interface InfoEntry {
  /** `Mar 26 18:29:32`: the time of the login's line, local, without a year. */
  readonly date: string
  readonly user: string
  readonly address: ClientAddress
  /** Unix seconds. The 2002 daemon wrote the time at which it read the line, popauthd the time of the line. */
  readonly unixSeconds: number
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Mar 26 18:29:32` in the process's own time zone; the day is padded with a blank, as syslog does. */
export function infoDate(atMs: number): string {
  const date = new Date(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${time}`
}

/** A line of access.info with its newline. Tabs and control characters of the user name are escaped, so that no field can shift. */
export function renderInfoLine(user: string, address: ClientAddress, atMs: number): string {
  return `${infoDate(atMs)}\t${infoUser(user)}\t${address}\t${Math.floor(atMs / 1000)}\n`
}

/** The user name as it stands in access.info. */
export function infoUser(user: string): string {
  return escapeForTerminal(user)
}

/** Reads access.info. A line that is not exactly date, user, address and Unix time is left out and counted. */
export function parseInfo(text: string): { entries: InfoEntry[]; refused: number } {
  const entries: InfoEntry[] = []
  let refused = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const entry = parseInfoLine(line)
    if (entry === undefined) refused++
    else entries.push(entry)
  }
  return { entries, refused }
}

function parseInfoLine(line: string): InfoEntry | undefined {
  const [date = '', user = '', text = '', time = '', ...more] = line.replace(/\r$/, '').split('\t')
  const address = parseClientAddress(text)
  if (address === undefined || user === '' || more.length > 0 || !/^\d{1,11}$/.test(time)) return undefined
  if (!/^[A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d$/.test(date)) return undefined
  return { date, user, address, unixSeconds: Number(time) }
}

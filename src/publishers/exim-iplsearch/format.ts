/**
 * A file for Exim's `net-iplsearch`: address or network, then when its right ends (Unix seconds). Exim specification, "Single-key lookup
 * types" and "Host list patterns for single-key lookups by host address". The first line that matches counts.
 */
import type { Authorization } from '../../core/authorization.ts'
import { type Network, networkOfLogin } from '../../core/client-address.ts'
import { endSeconds, WITHOUT_END_SECONDS } from '../end-seconds.ts'
import type { FileFormat } from '../file-publisher.ts'

const HEAD = '# Kept by popauthd; what is written here by hand is lost. Address: end of its right, Unix time.\n'

/**
 * `ipv6Prefix`: how many bits an IPv6 login opens. What never ends comes first: a login of the same address ends sooner.
 * Exim reads the file from its beginning for each session: for long lists take a cdb.
 */
export function eximIplsearchFormat(ipv6Prefix: number): FileFormat {
  const lineOf = ({ address, untilMs }: Authorization) =>
    line(networkOfLogin(address, ipv6Prefix).text, endSeconds(untilMs))
  return {
    needs: 'expiry',
    check: () => {},
    async *render(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]) {
      yield HEAD + always.map(({ text }) => line(text, WITHOUT_END_SECONDS)).join('')
      for await (const slice of slices) yield slice.map(lineOf).join('')
    },
  }
}

// A colon ends a key unless the key stands in quotes.
function line(key: string, end: number): string {
  return `${key.includes(':') ? `"${key}"` : key}: ${end}\n`
}

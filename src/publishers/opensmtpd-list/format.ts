/** A file table of OpenSMTPD for `match from src <TABLE>` (table(5), "netaddr"): one address or network a line. smtpd reads it when it is told to. */
import type { Authorization } from '../../core/authorization.ts'
import { type Network, networkOfLogin } from '../../core/client-address.ts'
import type { FileFormat } from '../file-publisher.ts'

/** Without the first line smtpd takes a file with no entries, or with IPv6 ones, for pairs of keys and values, and does not start. */
const HEAD = '# @list\n# Kept by popauthd; what is written here by hand is lost.\n'

/** `ipv6Prefix`: how many bits an IPv6 login opens. smtpd goes through the whole table for each lookup: for long ones let it ask. */
export function opensmtpdListFormat(ipv6Prefix: number): FileFormat {
  const lineOf = ({ address }: Authorization) => entryOf(networkOfLogin(address, ipv6Prefix).text)
  return {
    needs: 'membership',
    check: () => {},
    async *render(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]) {
      yield HEAD + always.map(({ text }) => entryOf(text)).join('')
      for await (const slice of slices) yield slice.map(lineOf).join('')
    },
  }
}

/** `192.0.2.7`, `192.0.2.0/24`, `[2001:db8::7]` and `2001:db8::/64`: smtpd has brackets around IPv6 addresses, and none around networks. */
function entryOf(text: string): string {
  return text.includes(':') && !text.includes('/') ? `[${text}]\n` : `${text}\n`
}

/** A plain host list of Exim: a file named in a host list, one address or network a line. Exim specification, "Domain, host, address, and local part lists". */
import type { Authorization } from '../../core/authorization.ts'
import { type Network, networkOfLogin } from '../../core/client-address.ts'
import type { FileFormat } from '../file-publisher.ts'

const HEAD = '# Kept by popauthd; what is written here by hand is lost.\n'

/** `ipv6Prefix`: how many bits an IPv6 login opens. Exim reads the file anew for each check, from its beginning: for long lists take a cdb. */
export function eximListFormat(ipv6Prefix: number): FileFormat {
  const lineOf = ({ address }: Authorization) => `${networkOfLogin(address, ipv6Prefix).text}\n`
  return {
    needs: 'membership',
    check: () => {},
    async *render(slices: AsyncIterable<readonly Authorization[]>, always: readonly Network[]) {
      yield HEAD + always.map(({ text }) => `${text}\n`).join('')
      for await (const slice of slices) yield slice.map(lineOf).join('')
    },
  }
}

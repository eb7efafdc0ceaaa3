/** Arguments that several commands take. */
import { type ClientAddress, parseClientAddress, parseNetwork } from '../core/client-address.ts'
import { UsageError } from '../errors.ts'

/** The canonical address in `text`. @throws {UsageError} */
export function addressArgument(text: string): ClientAddress {
  const address = parseClientAddress(text)
  if (address !== undefined) return address
  const mend = parseNetwork(text)
    ? 'give one address; whole networks are configured: admission.never and admission.always'
    : 'give one IPv4 or IPv6 address, for instance 198.51.100.7 or 2001:db8::7'
  throw new UsageError(`"${text}" is not an IP address`, { mend })
}

/** The user name in `text`, as the mail server logs it. @throws {UsageError} */
export function userArgument(text: string): string {
  if (text === '' || text.length > 1024 || /[\u0000-\u001f\u007f-\u009f]/.test(text))
    throw new UsageError(`"${text.slice(0, 80)}" cannot be a user name`, {
      mend: 'give it as the mail server logs it (popauthd list shows it)',
    })
  return text
}

/** Either an address or a user, never both. @throws {UsageError} */
export function addressOrUser(
  ip: string | undefined,
  user: string | undefined,
): { readonly address: ClientAddress } | { readonly user: string } {
  if ((ip === undefined) === (user === undefined))
    throw new UsageError(
      ip === undefined
        ? 'who? neither an address nor a user is given'
        : 'an address and a user are given: one at a time',
      {
        mend: 'give an IP address, or --user NAME',
      },
    )
  return ip !== undefined ? { address: addressArgument(ip) } : { user: userArgument(user as string) }
}

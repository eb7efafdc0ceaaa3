/**
 * What a command of the operator's is told on its standard input: lines of words with one blank between, each ended by a newline. All bytes are
 * ASCII, and nothing of a log stands there: addresses, numbers and fixed words only. docs/command.md is the manual.
 */
import type { Authorization, TableChange } from '../../core/authorization.ts'
import { type Network, networkHolds, networkOfLogin } from '../../core/client-address.ts'
import { endSeconds, WITHOUT_END_SECONDS } from '../end-seconds.ts'

/** First line of a batch that replaces all that was told before: who is not named has no right. */
export const ALL = 'all\n'
/** First line of a batch of changes. */
export const CHANGES = 'changes\n'
/** Last line: what does not end so was cut off, and must not be used. */
export const END = 'end\n'

/** The line for a network that may relay without a login. */
export function alwaysLine({ text }: Network): string {
  return `granted ${text} ${WITHOUT_END_SECONDS} always\n`
}

/** The line for somebody who may relay; none for who may as part of a network that always may. `ipv6Prefix`: how many bits an IPv6 login opens. */
export function grantedLine({ address, untilMs, reason }: Authorization, ipv6Prefix: number): string {
  if (reason === 'always') return ''
  return `granted ${networkOfLogin(address, ipv6Prefix).text} ${endSeconds(untilMs)} ${reason}\n`
}

/** The line for one change; none where a network of `always` says all there is to say of the address, and goes on saying it. */
export function changeLine(change: TableChange, always: readonly Network[], ipv6Prefix: number): string {
  const { kind, address, untilMs, reason } = change
  const opened = networkOfLogin(address, ipv6Prefix)
  if (kind !== 'ended') return reason === 'always' ? '' : `${kind} ${opened.text} ${endSeconds(untilMs)} ${reason}\n`
  return always.some((network) => networkHolds(network, opened)) ? '' : `ended ${opened.text}\n`
}

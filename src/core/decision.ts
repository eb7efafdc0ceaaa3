/** What an operator decided. Kept apart from the table, so that rebuilding the table from the logs loses none. */
import type { ClientAddress } from './client-address.ts'

/** An allow, block or revoke of an address, or a block or revoke of a user. Times are Unix milliseconds. */
export type Decision = {
  readonly kind: 'allow' | 'block' | 'revoke'
  readonly atMs: number
  /** End of an allow or block; absent: until taken back. A revoke voids logins at or before `atMs` and has no end of its own. */
  readonly untilMs?: number
} & ({ readonly address: ClientAddress } | { readonly user: string })

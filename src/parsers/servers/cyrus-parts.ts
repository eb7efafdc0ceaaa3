/** What the lines of Cyrus IMAP have in common, prose and events: the client, who has proven nothing, the session. */
import type { ClientAddress } from '../../core/client-address.ts'
import type { LogLine } from '../../core/log-line.ts'
import { type Cursor, HOST_NAME } from '../cursor.ts'
import { takeAddress } from '../logged-address.ts'
import type { ParseResult } from '../parser.ts'

const LONGEST_HOST = 255

/** True for the name that anybody may use, and for the mechanism. */
export function isAnonymous(user: string): boolean {
  return user.toLowerCase() === 'anonymous'
}

/** Why who logs in by this mechanism has proven nothing, if so. */
export function mechanismTrouble(mechanism: string): string | undefined {
  if (isAnonymous(mechanism)) return 'an anonymous login proves nothing'
  return mechanism === 'nopassword' ? 'a login without a password proves nothing' : undefined
}

/** `host [address]`, `host[address]` before 2.2, `[address]`: the name is the client's, the address the kernel's. */
export function takeClient(cursor: Cursor): ClientAddress | ParseResult {
  const start = cursor.at
  const isNamed = cursor.pass(HOST_NAME, LONGEST_HOST)
  if (isNamed) {
    cursor.note('host', start)
    cursor.skip(' ')
  }
  if (!cursor.skip('[')) return cursor.fail('suspect', 'no address in brackets')
  const address = takeAddress(cursor, 'address')
  if (address !== undefined) return cursor.skip(']') ? address : cursor.fail('suspect', 'the address does not end here')
  const isLocal = cursor.skipOneOf(['local]', 'unix socket]']) !== undefined
  return isLocal ? cursor.fail('ordinary', 'a local session') : cursor.fail('suspect', 'not a client address')
}

/** A process serves one session at a time, and only it stands also in the line of the session's end. */
export function sessionOf({ host, program, pid }: LogLine): { session?: string } {
  return pid === undefined ? {} : { session: `${host} ${program}[${pid}]` }
}

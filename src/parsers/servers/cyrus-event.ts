/** `event=login.good` of Cyrus IMAP 3.13 and later: imap/loginlog.c, doc/logfmt-keys. Keys may be added between versions, in any order. */
import type { Service } from '../../core/login.ts'
import type { Cursor } from '../cursor.ts'
import { type LogfmtValue, takePairs } from '../logfmt.ts'
import type { ParseResult } from '../parser.ts'
import { isAnonymous, mechanismTrouble, sessionOf, takeClient } from './cyrus-parts.ts'

type Pairs = ReadonlyMap<string, LogfmtValue>

const LONGEST_USER = 255

/** `r.sessionid=id r.clienthost="host [address]" u.username=alice login.mech=PLAIN login.tls=1 login.magic=~null~`. */
export function parseEvent(cursor: Cursor, tagged: Service): ParseResult {
  const pairs = takePairs(cursor)
  if (typeof pairs === 'string') return cursor.fail('suspect', pairs)
  if (pairs.has('login.scheme')) return cursor.fail('ordinary', 'a login by HTTP')
  const trouble = mechanismTrouble(pairs.get('login.mech')?.text ?? '')
  if (trouble !== undefined) return cursor.fail('ordinary', trouble)
  if (pairs.has('login.anonymous')) return cursor.fail('ordinary', 'an anonymous login proves nothing')
  if (pairs.has('login.nopassword')) return cursor.fail('ordinary', 'a login without a password proves nothing')
  const service = serviceOfEvent(pairs, tagged)
  if (service === undefined) return cursor.fail('suspect', `not an event of ${cursor.line.program}`)
  if (service === 'any') return cursor.fail('ordinary', 'the line tells no service: it may be any of Cyrus')
  const tls = pairs.get('login.tls')?.text
  if (tls !== '0' && tls !== '1') return cursor.fail('suspect', 'no login.tls=')
  return parseParties(cursor, pairs, { service, tls: tls === '1', ...sessionOf(cursor.line) })
}

/** `pop.subfolder=` is told by pop3d only, `login.magic=` by imapd only. */
function serviceOfEvent(pairs: Pairs, tagged: Service): Service | undefined {
  const isPop3 = pairs.has('pop.subfolder')
  if (isPop3 === pairs.has('login.magic')) return isPop3 ? undefined : tagged
  const service = isPop3 ? 'pop3' : 'imap'
  return tagged === 'any' || tagged === service ? service : undefined
}

function parseParties(
  cursor: Cursor,
  pairs: Pairs,
  rest: { service: Service; tls: boolean; session?: string },
): ParseResult {
  const client = pairs.get('r.clienthost')
  const name = pairs.get('u.username')
  if (client === undefined || name === undefined) return cursor.fail('suspect', 'no r.clienthost= or no u.username=')
  cursor.at = name.start + name.text.length
  cursor.note('user', name.start)
  const user = name.text
  if (isAnonymous(user)) return cursor.fail('ordinary', 'an anonymous login proves nothing')
  if (user === '' || user === '~null~' || user.length > LONGEST_USER) return cursor.fail('suspect', 'no user name')
  cursor.at = client.start
  const address = takeClient(cursor)
  if (typeof address !== 'string') return address
  if (cursor.at !== client.start + client.text.length) return cursor.fail('suspect', 'text after the address')
  return { kind: 'login', login: { user, address, ...rest } }
}

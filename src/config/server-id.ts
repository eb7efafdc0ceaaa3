/** Ids of POP3 and IMAP servers as they stand in the configuration. */
import { fault } from './problem.ts'
import type { Shape } from './shapes.ts'

/** The id of a server; that it is known is checked by checks.ts. */
export const serverId: Shape<string> = {
  kind: 'server',
  schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]*$' },
  read(raw) {
    if (typeof raw === 'string' && /^[a-z0-9][a-z0-9-]{0,63}$/.test(raw)) return raw
    return fault(raw, 'the id of a server', '`popauthd formats` lists them')
  },
}

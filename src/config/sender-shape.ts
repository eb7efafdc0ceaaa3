/** The entries of `senders` of a journal source: who writes a server's lines, by the fields that journald itself sets. */
import type { JournalSenders } from './config.ts'
import { listOf } from './list-of.ts'
import { type Member, record } from './members.ts'
import { Faults, fault } from './problem.ts'
import { serverId } from './server-id.ts'
import { absolutePath, integer, type Shape } from './shapes.ts'

const UNIT = /^[A-Za-z0-9:_.\\-]{1,120}(?:@[A-Za-z0-9:_.\\*-]{0,120})?\.(?:service|scope)$/
/** Where the programs run that users start as services of their own, whatever these are named. */
const ANY_USER = /^user@.*\*/

const unit: Shape<string> = {
  kind: 'a systemd unit',
  schema: { type: 'string' },
  read(raw) {
    const expected = 'a service or scope of systemd, such as dovecot.service or pop3d@*.service'
    if (typeof raw !== 'string') return fault(raw, expected)
    if (ANY_USER.test(raw))
      return fault(raw, expected, 'whatever any user of this host writes would count; name one unit, and its `uid`')
    if (/^[^@]*\*/.test(raw))
      return fault(raw, expected, 'a * may stand only behind the @ of a template; name each unit')
    return UNIT.test(raw) ? raw : fault(raw, expected, unitMend(raw))
  },
}

function unitMend(raw: string): string | undefined {
  return /^[A-Za-z0-9_-]+$/.test(raw) ? `write ${raw}.service` : undefined
}

const uid: Shape<number> = {
  ...integer(0, 4_294_967_294),
  kind: 'a user id',
  read(raw) {
    const expected = 'the number of a user'
    if (typeof raw === 'string') return fault(raw, expected, 'the journal has no names; `id -u NAME` tells the number')
    const read = integer(0, 4_294_967_294).read(raw)
    return read instanceof Faults ? fault(raw, expected) : read
  },
}

/** A list of which each item counts, or a single item. An empty list would shut the server out unseen. */
function oneOrMore<T>(item: Shape<T>, kind: string): Shape<readonly T[]> {
  const list = listOf(item, kind, { minItems: 1 })
  return {
    kind,
    schema: { oneOf: [item.schema, list.schema] },
    read(raw) {
      const read = list.read(Array.isArray(raw) ? raw : [raw])
      if (!Array.isArray(raw) && read instanceof Faults)
        return new Faults(read.list.map((one) => ({ ...one, at: one.at.slice(1) })))
      return Array.isArray(raw) && raw.length === 0 ? fault(raw, `at least one (${kind})`) : read
    },
  }
}

/** The options of each entry of `senders`. */
export const senderMembers = {
  server: { shape: serverId, default: '', says: 'The server whose lines it is about.' },
  unit: {
    shape: oneOrMore(unit, 'systemd units'),
    default: '',
    says: 'Units that its lines come from (`_SYSTEMD_UNIT`), and no other. `*` is any instance: `pop3d@*.service`.',
  },
  exe: {
    shape: oneOrMore(absolutePath, 'paths'),
    default: '',
    says: 'Programs that write them (`_EXE`), and no other.',
  },
  uid: {
    shape: oneOrMore(uid, 'user ids'),
    default: '',
    says: 'Users that these programs run as (`_UID`), and no other.',
  },
} as const satisfies Record<string, Member>

interface RawSenders {
  readonly server: string
  readonly unit?: readonly string[]
  readonly exe?: readonly string[]
  readonly uid?: readonly number[]
}

const KIND = 'a `server` with `unit`, `exe` or `uid`'
const sendersRecord = record<RawSenders>(senderMembers, KIND, ['server'])

const sender: Shape<JournalSenders> = {
  ...sendersRecord,
  read(raw) {
    const read = sendersRecord.read(raw)
    if (read instanceof Faults) return read
    const { server, unit: units, exe: executables, uid: uids } = read
    if (units === undefined && executables === undefined && uids === undefined)
      return new Faults([{ at: [], text: 'has no unit, exe or uid; add what is otherwise than popauthd expects' }])
    return {
      server,
      ...(units === undefined ? {} : { units }),
      ...(executables === undefined ? {} : { executables }),
      ...(uids === undefined ? {} : { uids }),
    }
  },
}

const list = listOf(sender, `entries with ${KIND}`)

/** Who writes the lines of single servers. */
export const senders: Shape<readonly JournalSenders[]> = {
  ...list,
  read: (raw) => (Array.isArray(raw) ? list.read(raw) : fault(raw, `a list of entries with ${KIND}`)),
}

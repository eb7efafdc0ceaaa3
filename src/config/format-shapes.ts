/** The operator's own formats as they stand in the configuration. Whether they work is tried by what CheckContext hands in. */
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import type { Service } from '../core/login.ts'
import type { OwnFormat, OwnFormatSample } from '../core/own-format.ts'
import { listOf } from './list-of.ts'
import { type Member, record } from './members.ts'
import { Faults, fault } from './problem.ts'
import { hasControlCharacter, type JsonSchema, oneOf, type Shape } from './shapes.ts'

const LONGEST_TEXT = 2000

interface TextRule {
  readonly kind: string
  /** Whole texts that are taken. */
  readonly takes: RegExp
  readonly schema?: JsonSchema
  readonly mend?: (raw: string) => string | undefined
}

/** A text without control characters, of a form. */
function text({ kind, takes, schema = {}, mend }: TextRule): Shape<string> {
  return {
    kind,
    schema: { type: 'string', ...schema },
    read(raw) {
      if (typeof raw === 'number' || typeof raw === 'boolean') return fault(raw, kind, `write "${raw}"`)
      if (typeof raw !== 'string') return fault(raw, kind)
      if (/\n$/.test(raw)) return fault(raw, `${kind}, without a line end`, 'write |- in place of |')
      if (hasControlCharacter(raw)) return fault(raw, `${kind}, without control characters`)
      if (raw.length > LONGEST_TEXT) return fault(raw, `${kind} of at most ${LONGEST_TEXT} characters`)
      return takes.test(raw) ? raw : fault(raw, kind, mend?.(raw))
    },
  }
}

/** A list of texts, or a single one of them. */
function oneOrMore(item: Shape<string>, kind: string, least: 0 | 1): Shape<readonly string[]> {
  const list = listOf(item, kind, { minItems: least })
  return {
    kind,
    schema: { oneOf: [item.schema, list.schema] },
    read(raw) {
      if (typeof raw === 'string') {
        const read = item.read(raw)
        return read instanceof Faults ? read : [read]
      }
      const read = list.read(raw)
      return !(read instanceof Faults) && read.length < least ? fault(raw, `at least one (${kind})`) : read
    },
  }
}

const line = text({ kind: 'a whole log line', takes: /./ })

const user = text({ kind: 'a user name', takes: /./ })

const address: Shape<ClientAddress> = {
  kind: 'an IP address',
  schema: { type: 'string' },
  read: (raw) =>
    (typeof raw === 'string' ? parseClientAddress(raw) : undefined) ??
    fault(raw, 'an IP address, such as 198.51.100.7'),
}

const service = oneOf(['pop3', 'imap', 'any'])

/** The expected login of a sample. */
const expectMembers = {
  user: { shape: user, default: '', says: 'The user that must come out.' },
  ip: { shape: address, default: '', says: 'The address that must come out.' },
  service: { shape: service, default: '', says: 'The service that must come out.' },
} as const satisfies Record<string, Member>

const login = record<{ user: string; ip: ClientAddress; service: Service }>(
  expectMembers,
  '{ user: NAME, ip: ADDRESS, service: pop3 }, or null where no login may come out',
)

const expected: Shape<OwnFormatSample['expect']> = {
  ...login,
  schema: { oneOf: [login.schema, { type: 'null' }] },
  read: (raw) => (raw === null ? null : login.read(raw)),
}

/** The options of each sample. */
const sampleMembers = {
  line: { shape: line, default: '', says: 'A whole line of the log.' },
  expect: { shape: expected, default: '', says: 'What must come out of it; null: no login.' },
} as const satisfies Record<string, Member>

const samples = listOf(record<OwnFormatSample>(sampleMembers, 'a `line` and what to `expect`'), 'samples', {
  minItems: 1,
})

/** The options of each entry of `formats`. What has no default must be given. */
export const formatMembers = {
  id: {
    shape: text({
      kind: 'a word of small letters, digits and dashes',
      takes: /^[a-z0-9][a-z0-9-]{0,63}$/,
      schema: { pattern: '^[a-z0-9][a-z0-9-]*$' },
    }),
    default: '',
    says: 'Its name in `servers`, in `scan --format` and in what is printed.',
  },
  title: { shape: text({ kind: 'text', takes: /^.{1,80}$/ }), default: 'the id', says: 'Its name for people.' },
  program: {
    shape: oneOrMore(
      text({
        kind: 'the name of a program, as it stands in the log before the colon',
        takes: /^(?=.*[A-Za-z0-9])[A-Za-z0-9._+/@-]{1,64}$/,
        mend: (raw) =>
          /[*?\\]/.test(raw)
            ? 'name each program: a format for any program would count what any program writes'
            : undefined,
      }),
      'program names',
      1,
    ),
    default: '',
    says: 'The programs that write these lines, one or more; a line of any other counts for nothing.',
  },
  process: {
    shape: oneOrMore(text({ kind: 'the name of a program file', takes: /^[^/\s]{1,64}$/ }), 'program files', 0),
    default: '[]',
    says: 'Journal only: what the running program is called, where that differs, such as `java`.',
  },
  unit: {
    shape: oneOrMore(
      text({ kind: 'a systemd service, such as mymail.service', takes: /^[^/\s]{1,120}\.service$/ }),
      'systemd services',
      0,
    ),
    default: '[]',
    says: 'Journal only: the service that the server runs in, where it does not run as root.',
  },
  literals: {
    shape: oneOrMore(
      text({
        kind: '4 to 64 printable ASCII characters, no quote or backslash',
        takes: /^(?:(?!["\\])[ -~]){4,64}$/,
      }),
      'texts',
      1,
    ),
    default: '',
    says: 'Texts of which each line of a login holds one: the log is searched for them, and the pattern tried where one stands.',
  },
  pattern: {
    shape: text({ kind: 'a pattern', takes: /./ }),
    default: '',
    says: 'Describes the whole message behind the program name, with groups `(?<user>...)`, `(?<ip>...)`, and where the line tells it `(?<service>...)`.',
  },
  service: { shape: service, default: 'none', says: 'What the login is to, where no group tells it.' },
  user_characters: {
    shape: text({ kind: 'printable ASCII characters', takes: /^[ -~]*$/ }),
    default: '""',
    says: 'Characters that user names may hold beside letters, digits and `@._+-%/!#$&*~^`.',
  },
  samples: {
    shape: samples,
    default: '',
    says: 'Lines, each as `line:` and `expect:` (`{ user: NAME, ip: ADDRESS, service: pop3 }`, or null for no login); at least one is a login, and all must give just that.',
  },
} as const satisfies Record<string, Member>

const REQUIRED = ['id', 'program', 'literals', 'pattern', 'samples'] as const
const WHY_PROGRAM =
  'names no program: a format that is anchored to none would take lines that anybody writes; add `program`'

const formatRecord = record<Readonly<Record<string, unknown>>>(formatMembers, 'a format', REQUIRED, {
  program: WHY_PROGRAM,
})

const format: Shape<OwnFormat> = {
  ...formatRecord,
  read(raw) {
    const read = formatRecord.read(raw)
    return read instanceof Faults ? read : formatOf(read)
  },
}

function formatOf(read: Readonly<Record<string, unknown>>): OwnFormat {
  const value = <T>(name: keyof typeof formatMembers, otherwise: T) => (name in read ? (read[name] as T) : otherwise)
  return {
    id: value('id', ''),
    title: value('title', value('id', '')),
    programs: value('program', []),
    processes: value('process', []),
    units: value('unit', []),
    literals: value('literals', []),
    pattern: value('pattern', ''),
    service: value('service', undefined),
    userCharacters: value('user_characters', ''),
    samples: value('samples', []),
  }
}

/** The operator's own formats. */
export const formats = listOf(format, 'own formats')

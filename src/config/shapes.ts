/** The kinds of single values that options take: how each is read, described, and told to editors (JSON Schema). */
import { isAbsolute, normalize, resolve } from 'node:path'
import { LONGEST_SOCKET_PATH } from '../lib/unix-socket.ts'
import { Faults, fault, nearest } from './problem.ts'

/** A JSON Schema fragment (draft 2020-12). */
export type JsonSchema = { readonly [key: string]: unknown }

/** How a value is read. `T` is what the daemon sees. */
export interface Shape<T> {
  /** For the reference: `whole number, 60 to 2678400`. */
  readonly kind: string
  readonly schema: JsonSchema
  /** The value, or why it is none. Never throws. */
  read(raw: unknown): T | Faults
  /** A raw value from an environment variable's text; absent: the option cannot be set that way. */
  readonly fromText?: (text: string) => unknown
  /** Makes relative paths absolute (command line only). */
  readonly resolve?: (raw: unknown, directory: string) => unknown
}

/** `true` or `false`. */
export const truth: Shape<boolean> = {
  kind: 'true or false',
  schema: { type: 'boolean' },
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
  read(raw) {
    if (typeof raw === 'boolean') return raw
    const meant = ({ yes: 'true', on: 'true', no: 'false', off: 'false' } as const)[String(raw).toLowerCase()]
    return fault(raw, 'true or false', meant && `write ${meant}`)
  },
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }

/** A whole number; `unit` only helps the message. */
export function integer(least: number, most: number, unit?: string): Shape<number> {
  const expected = `a whole number${unit ? ` of ${unit}` : ''} from ${least} to ${most}`
  return {
    kind: `whole number, ${least} to ${most}`,
    schema: { type: 'integer', minimum: least, maximum: most },
    fromText: (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text),
    read(raw) {
      if (typeof raw === 'number' && Number.isInteger(raw) && raw >= least && raw <= most) return raw
      return fault(raw, expected, typeof raw === 'string' ? numberMend(raw, unit) : undefined)
    },
  }
}

function numberMend(raw: string, unit: string | undefined): string | undefined {
  if (/^\d{1,15}$/.test(raw)) return 'write it without quotes'
  const [, count, letter] = /^(\d{1,9}) ?([smhdw])/.exec(raw) ?? []
  if (unit !== 'seconds' || count === undefined || letter === undefined) return undefined
  return `write ${Number(count) * (SECONDS[letter] as number)}`
}

/** One of some words. */
export function oneOf<const T extends string>(words: readonly T[]): Shape<T> {
  const expected = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return {
    kind: expected,
    schema: { enum: words },
    fromText: (text) => text,
    read(raw) {
      if (words.includes(raw as T)) return raw as T
      const near = typeof raw === 'string' ? nearest(raw, words) : undefined
      return fault(raw, expected, near && `did you mean ${near}?`)
    },
  }
}

const LONGEST_PATH = 4095

/** An absolute path, normalized. The file need not exist. Relative ones are refused: a daemon's working directory is nobody's. */
export const absolutePath: Shape<string> = {
  kind: 'absolute path',
  schema: { type: 'string', pattern: '^/' },
  fromText: (text) => text,
  resolve: (raw, directory) => (typeof raw === 'string' && raw !== '' ? resolve(directory, raw) : raw),
  read(raw) {
    if (typeof raw !== 'string' || raw === '') return fault(raw, 'an absolute path')
    if (hasControlCharacter(raw)) return fault(raw, 'a path without control characters')
    if (!isAbsolute(raw)) return fault(raw, 'an absolute path', 'begin it with /')
    if (Buffer.byteLength(raw) > LONGEST_PATH) return fault(raw, `a path of at most ${LONGEST_PATH} bytes`)
    return normalize(raw).replace(/(?<=.)\/+$/, '')
  },
}

/** The path of a Unix socket: absolute, and short enough for the system (unix(7)). */
export const socketPath: Shape<string> = {
  ...absolutePath,
  kind: 'absolute path of a Unix socket',
  read(raw) {
    const path = absolutePath.read(raw)
    if (path instanceof Faults || Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path
    const length = Buffer.byteLength(path)
    return fault(
      path,
      `a socket path of at most ${LONGEST_SOCKET_PATH} bytes (it has ${length})`,
      'choose a shorter one',
    )
  },
}

/** The rights of a file as quoted octal text; gives the mode bits. */
export const fileMode: Shape<number> = {
  kind: 'quoted octal mode',
  schema: { type: 'string', pattern: '^0[0-7]{3}$' },
  fromText: (text) => text,
  read(raw) {
    if (typeof raw === 'string' && /^0[0-7]{3}$/.test(raw)) return Number.parseInt(raw, 8)
    const digits = /^0?([0-7]{3})$/.exec(String(raw))?.[1]
    return fault(raw, 'an octal mode in quotes, such as "0660"', digits && `write "0${digits}"`)
  },
}

/** `count` names with single blanks between them, each of letters, digits, `_` and `-`, beginning with a letter. */
export function words(count: number, expected: string): Shape<string> {
  const name = '[A-Za-z_][A-Za-z0-9_-]{0,63}'
  const pattern = `^${Array.from({ length: count }, () => name).join(' ')}$`
  return {
    kind: count === 1 ? 'name' : `${count} names`,
    schema: { type: 'string', pattern },
    read: (raw) => (typeof raw === 'string' && new RegExp(pattern).test(raw) ? raw : fault(raw, expected)),
  }
}

/** A group's name or number; `null` is the process's own group. */
export const groupName: Shape<string | undefined> = {
  kind: 'group name or number, or null',
  schema: { type: ['string', 'integer', 'null'] },
  fromText: (text) => (text === '' ? null : text),
  read(raw) {
    if (raw === null || raw === undefined) return undefined
    if (typeof raw === 'number' && Number.isInteger(raw) && raw >= 0 && raw < 2 ** 32 - 1) return String(raw)
    if (typeof raw === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?$/.test(raw)) return raw
    return fault(raw, "the name of a group, or null for the process's own")
  },
}

/** An IANA time zone, or `local`. */
export const timezone: Shape<string> = {
  kind: 'IANA time zone, or local',
  schema: { type: 'string' },
  read(raw) {
    if (raw === 'local' || (typeof raw === 'string' && isTimeZone(raw))) return raw
    const near =
      typeof raw === 'string' ? nearest(raw, ['local', 'UTC', ...Intl.supportedValuesOf('timeZone')]) : undefined
    return fault(raw, 'an IANA time zone such as Europe/Berlin, UTC, or local', near && `did you mean ${near}?`)
  },
}

function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}

/** True if the text holds a control character (NUL, newline, DEL, C1). */
export function hasControlCharacter(text: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f]/.test(text)
}

/** The daemon's log as people read it on a terminal: one short line an event, colored by what it means. */
import pc from 'picocolors'
import { escapeForTerminal } from './lib/escape.ts'

/** A record of the log, as pino writes it. */
type LogRecord = Readonly<Record<string, unknown>> & {
  readonly level: number
  readonly time: number
  readonly msg: string
}

interface Look {
  readonly word: string
  readonly color: keyof Colors
  readonly text: (record: LogRecord) => string
}

type Colors = Pick<ReturnType<typeof pc.createColors>, 'dim' | 'green' | 'cyan' | 'yellow' | 'red' | 'bold'>

const of = (record: LogRecord, key: string): string => (record[key] === undefined ? '' : String(record[key]))
const clock = (iso: string): string => (iso === '' ? 'taken back' : new Date(iso).toTimeString().slice(0, 8))
const by = (record: LogRecord): string => (record.user === undefined ? '' : ` (${of(record, 'user')})`)

/** How the events of every day look; what is not here is shown with all its fields. */
const LOOKS: Readonly<Record<string, Look>> = {
  login: {
    word: 'login',
    color: 'cyan',
    text: (record) =>
      `${of(record, 'user')} from ${of(record, 'ip')}, ${of(record, 'service')} (${of(record, 'server')})`,
  },
  logout: {
    word: 'logout',
    color: 'dim',
    text: (record) =>
      `${of(record, 'user')}${record.ip === undefined ? '' : ` from ${of(record, 'ip')}`}, ${of(record, 'service')} (${of(record, 'server')})`,
  },
  'authorization granted': {
    word: 'granted',
    color: 'green',
    text: (record) => `${of(record, 'ip')} may relay until ${clock(of(record, 'until'))}${by(record)}`,
  },
  'authorization extended': {
    word: 'extended',
    color: 'green',
    text: (record) => `${of(record, 'ip')} may relay until ${clock(of(record, 'until'))}${by(record)}`,
  },
  'authorization ended': {
    word: 'ended',
    color: 'yellow',
    text: (record) => `${of(record, 'ip')} may no longer relay: ${of(record, 'reason')}`,
  },
  'login refused': {
    word: 'refused',
    color: 'red',
    text: (record) => `login of ${of(record, 'user')} from ${of(record, 'ip')} opens nothing: ${of(record, 'detail')}`,
  },
  stopping: {
    word: 'info',
    color: 'dim',
    text: (record) => `stopping: ${of(record, 'why')}`,
  },
  'line refused': {
    word: 'refused',
    color: 'red',
    text: (record) => `line is no login of ${of(record, 'server')}: ${of(record, 'reason')}: ${of(record, 'line')}`,
  },
}

const LEVELS: Readonly<Record<number, { word: string; color: keyof Colors }>> = {
  20: { word: 'debug', color: 'dim' },
  30: { word: 'info', color: 'dim' },
  40: { word: 'warning', color: 'yellow' },
  50: { word: 'error', color: 'red' },
  60: { word: 'fatal', color: 'red' },
}

/** Shows one JSON line of the log, at most `width` columns wide. All text is escaped. */
export function terminalLine(json: string, options: { color: boolean; width: number }): string {
  const record = JSON.parse(json) as LogRecord
  const look = LOOKS[record.msg]
  const { word, color } = look ?? LEVELS[record.level] ?? { word: 'info', color: 'dim' as const }
  const colors = pc.createColors(options.color)
  const time = new Date(record.time).toTimeString().slice(0, 8)
  const text = escapeForTerminal(look === undefined ? allFields(record) : look.text(record))
  const room = options.width - time.length - COLUMN - 2
  const shown = look !== undefined && text.length > room && room > 0 ? `${text.slice(0, room - 3)}...` : text
  return `${colors.dim(time)}  ${colors[color](word.padEnd(COLUMN))}${shown}\n`
}

const COLUMN = 10
const NO_FIELD = new Set(['level', 'time', 'msg'])

function allFields(record: LogRecord): string {
  const { source, detail } = record
  if (typeof source === 'string' && typeof detail === 'string')
    return `${record.msg}: ${detail.includes(source) ? '' : `${source}: `}${detail}`
  const fields = Object.entries(record).filter(([key]) => !NO_FIELD.has(key))
  const shown = fields.map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return shown.length === 0 ? record.msg : `${record.msg}: ${shown.join(', ')}`
}

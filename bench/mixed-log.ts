/** Mail logs as busy hosts write them, made up but always the same: 2% logins of six servers among the rest, or nothing but logins. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { Dice } from './dice.ts'
import { LOGINS, type LoginText, NOISE, type NoiseText, type ServerId } from './mixed-lines.ts'

/** What was written. `logins`: how many of each server; those of popa3d are two lines each. */
export interface MixedLog {
  readonly path: string
  readonly bytes: number
  readonly lines: number
  readonly logins: Readonly<Record<ServerId, number>>
}

/** When a log begins (Unix seconds, shown as local time of UTC) and how fast it goes on. */
export interface LogPace {
  readonly startS: number
  readonly linesPerSecond: number
}

const SEED = 20_021_122
const LOGINS_PER_MILLE = 20
const CHUNK_CHARS = 1 << 20
const PACE: LogPace = { startS: Date.UTC(2026, 0, 5) / 1000, linesPerSecond: 7 }
const HOST = 'mx1'

/** Draws the next lines of a log, without time and host. */
type Draw = (dice: Dice, pid: number) => Drawn

/** `server`: whose login the lines are, if they are one. */
interface Drawn {
  readonly lines: readonly string[]
  readonly server?: ServerId
}

/** Writes a log of 2% logins to `path`, until it holds `bytes`. Lines with Dovecot's literal are exactly its logins. */
export function writeMixedLog(path: string, bytes: number, pace: LogPace = PACE): MixedLog {
  const login = loginDraw(() => true)
  const noise = noiseDraw()
  const draw: Draw = (dice, pid) => (dice.below(1000) < LOGINS_PER_MILLE ? login : noise)(dice, pid)
  return writeLog(path, bytes, draw, pace)
}

/** Writes a log of nothing but logins to `path`, until it holds `bytes`: of these servers, as often as in a mixed log; of all six without any. */
export function writeLoginLog(path: string, bytes: number, servers: readonly ServerId[] = []): MixedLog {
  return writeLog(
    path,
    bytes,
    loginDraw((server) => servers.length === 0 || servers.includes(server)),
  )
}

/** At least `bytes` of a log without a login. */
export function noiseText(bytes: number): Buffer {
  const dice = new Dice(SEED)
  const draw = noiseDraw()
  const log = new LogText(PACE)
  while (log.chars < bytes) log.add(draw(dice, pidOf(dice)).lines)
  return Buffer.from(log.take(), 'latin1')
}

function loginDraw(isWanted: (server: ServerId) => boolean): Draw {
  const kinds = LOGINS.filter(([, server]) => isWanted(server)).flatMap(([weight, server, text]) =>
    Array<{ server: ServerId; text: LoginText }>(weight).fill({ server, text }),
  )
  return (dice, pid) => {
    const { server, text } = dice.pick(kinds)
    return { lines: text(dice, pid), server }
  }
}

function noiseDraw(): Draw {
  const kinds = NOISE.flatMap(([weight, text]) => Array<NoiseText>(weight).fill(text))
  return (dice, pid) => ({ lines: [dice.pick(kinds)(dice, pid)] })
}

const pidOf = (dice: Dice) => 300 + dice.below(32_000)

function writeLog(path: string, bytes: number, draw: Draw, pace: LogPace = PACE): MixedLog {
  const dice = new Dice(SEED)
  const logins: Record<ServerId, number> = { dovecot: 0, qpopper: 0, 'uw-imap': 0, popa3d: 0, courier: 0, cyrus: 0 }
  const log = new LogText(pace)
  const fd = openSync(path, 'w')
  let written = 0
  while (written < bytes) {
    const { lines, server } = draw(dice, pidOf(dice))
    log.add(lines)
    if (server !== undefined) logins[server]++
    if (log.chars >= Math.min(CHUNK_CHARS, bytes - written)) written += writeSync(fd, log.take(), null, 'latin1')
  }
  closeSync(fd)
  return { path, bytes: written, lines: log.lines, logins }
}

/** Lines as they are gathered, each with its time. */
class LogText {
  lines = 0
  readonly #pace: LogPace
  #text = ''

  constructor(pace: LogPace) {
    this.#pace = pace
  }

  get chars(): number {
    return this.#text.length
  }

  add(lines: readonly string[]): void {
    const { startS, linesPerSecond } = this.#pace
    for (const line of lines) {
      this.#text += `${stamp(startS + Math.floor(this.lines++ / linesPerSecond))} ${HOST} ${line}\n`
    }
  }

  /** What was gathered, once. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
let stamped = { atS: -1, text: '' }

/** RFC 3164, as rsyslog's traditional format writes it. */
function stamp(atS: number): string {
  if (stamped.atS === atS) return stamped.text
  const at = new Date(atS * 1000)
  const day = String(at.getUTCDate()).padStart(2)
  stamped = { atS, text: `${MONTHS[at.getUTCMonth()]} ${day} ${at.toISOString().slice(11, 19)}` }
  return stamped.text
}

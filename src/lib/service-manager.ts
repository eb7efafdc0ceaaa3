/**
 * What systemd is told of the daemon, and the sockets that it holds for it: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Elsewhere all of
 * this does nothing. Node cannot send datagrams to a Unix socket, so `systemd-notify` does; the unit needs `NotifyAccess=all`.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Clock } from './clock.ts'

/** First descriptor of those that are handed over. */
const FIRST_DESCRIPTOR = 3
const MOST_DESCRIPTORS = 64
const NOTIFY_TIMEOUT_MS = 5_000
/** What the daemon does is told anew at most this often: each message is a process. */
export const TELL_EVERY_MS = 5_000

/** True where systemd is the host's first process, so that every other has a unit: sd_booted(3). */
export function runsSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** Variables of a process, of which some are taken out. */
export type Environment = Record<string, string | undefined>

/** What a {@link ServiceManager} works with. */
interface ServiceManagerParts {
  readonly env: Environment
  readonly pid: number
  readonly clock: Clock
  /** Sends one message; tests give their own. */
  readonly send?: (socket: string, assignments: readonly string[]) => void
}

/** The service manager that started the process, if one did. */
export class ServiceManager {
  /** Listening sockets that it handed over, by their names (`FileDescriptorName=`). */
  readonly sockets: ReadonlyMap<string, number>
  readonly #socket: string | undefined
  /** Half the time within which it wants to hear of the process; undefined: it does not. */
  readonly #watchdogMs: number | undefined
  readonly #clock: Clock
  readonly #send: (socket: string, assignments: readonly string[]) => void
  #cancel = () => {}
  #cancelTelling = () => {}
  #told = ''
  #isStopping = false

  /** Takes its variables out of `env`: no other program that is started gets to see them. */
  constructor({ env, pid, clock, send = notify }: ServiceManagerParts) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC, WATCHDOG_PID } = env
    this.sockets = inheritedSockets(env, pid)
    this.#socket = socket === undefined || socket === '' ? undefined : socket
    const isWatched = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid
    this.#watchdogMs =
      isWatched && /^[1-9]\d{3,15}$/.test(WATCHDOG_USEC ?? '') ? Number(WATCHDOG_USEC) / 2000 : undefined
    this.#clock = clock
    this.#send = send
    for (const name of VARIABLES) delete env[name]
  }

  /** The daemon has caught up; from now on the watchdog is fed. `status` is one line for people. */
  ready(status: string): void {
    this.#told = oneLine(status)
    this.#tell(['READY=1', `STATUS=${this.#told}`])
    this.#feedWatchdog()
  }

  /** Tells what the daemon does, one line for people, now and whenever it has changed; a look every {@link TELL_EVERY_MS}. Where `words` fails nothing is told. */
  keepTelling(words: () => Promise<string>): void {
    if (this.#socket === undefined || this.#isStopping) return
    const look = () => {
      words()
        .then((text) => this.#tellChanged(oneLine(text)))
        .catch(() => {})
        .finally(() => {
          if (!this.#isStopping) this.#cancelTelling = this.#clock.setTimer(TELL_EVERY_MS, look)
        })
    }
    look()
  }

  #tellChanged(text: string): void {
    if (text === this.#told || this.#isStopping) return
    this.#told = text
    this.#tell([`STATUS=${text}`])
  }

  /** The daemon is about to end. */
  stopping(): void {
    this.#isStopping = true
    this.#cancel()
    this.#cancelTelling()
    this.#tell(['STOPPING=1', 'STATUS=stopping'])
  }

  #feedWatchdog(): void {
    if (this.#watchdogMs === undefined || this.#socket === undefined) return
    this.#cancel = this.#clock.setTimer(this.#watchdogMs, () => {
      this.#tell(['WATCHDOG=1'])
      this.#feedWatchdog()
    })
  }

  #tell(assignments: readonly string[]): void {
    if (this.#socket !== undefined) this.#send(this.#socket, assignments)
  }
}

const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']

function inheritedSockets({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: Environment, pid: number): Map<string, number> {
  const count = Number(LISTEN_FDS)
  if (Number(LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > MOST_DESCRIPTORS) return new Map()
  const names = (LISTEN_FDNAMES ?? '').split(':')
  return new Map(Array.from({ length: count }, (_, i) => [names[i] ?? '', FIRST_DESCRIPTOR + i]))
}

/** A message is lines: one that holds a line end would tell more than it says. */
function oneLine(text: string): string {
  return text.replace(/[\r\n\0]+/g, ' ').slice(0, 500)
}

function notify(socket: string, assignments: readonly string[]): void {
  const options = {
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', NOTIFY_SOCKET: socket },
    timeout: NOTIFY_TIMEOUT_MS,
  }
  execFile('systemd-notify', ['--no-block', ...assignments], options, () => {})
}

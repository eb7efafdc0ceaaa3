/** Talks to the running daemon over its control socket: the same contract as the table itself. */
import { readFileSync, type Stats, statSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { dirname } from 'node:path'
import type { ClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { PopauthdError, reasonOf, SocketError, UsageError } from '../errors.ts'
import type * as Api from './api-types.ts'
import { apiPaths, maxLoginsPerRequest } from './api-types.ts'
import type { ControlTarget } from './control-target.ts'

/** Nobody serves the control socket: no daemon runs, or it is just starting. */
export class NoDaemonError extends SocketError {}

/** How long the daemon may be silent: questions are answered from memory, work on maps takes a while, voiding a whole table longer. */
export interface ClientTimes {
  readonly questionMs: number
  readonly workMs: number
  readonly wholeMs: number
}

const USUAL_TIMES: ClientTimes = { questionMs: 10_000, workMs: 30_000, wholeMs: 600_000 }
/** An answer holds the whole table at most: a million entries of some 300 bytes. */
const MAX_ANSWER_BYTES = 400 * 1024 * 1024

/** The daemon behind the control socket `socketPath`. Every method rejects with {@link NoDaemonError} where none runs. */
export class ControlClient implements ControlTarget {
  readonly #socketPath: string
  readonly #times: ClientTimes

  constructor(socketPath: string, times: ClientTimes = USUAL_TIMES) {
    this.#socketPath = socketPath
    this.#times = times
  }

  status(): Promise<Api.StatusAnswer> {
    return this.#ask(apiPaths.status)
  }

  async *list(): AsyncGenerator<Api.ListEntry> {
    const text = await this.#exchange('GET', apiPaths.list, undefined, this.#times.questionMs)
    const lines = text.split('\n')
    const last = lines.at(-2) ?? '{}'
    if ((JSON.parse(last) as Partial<Api.ListEnd>).count !== lines.length - 2)
      throw parseError(last) === undefined
        ? new SocketError('the daemon broke off in the middle of the list')
        : errorFromAnswer(last, 200)
    for (const line of lines.slice(0, -2)) yield JSON.parse(line) as Api.ListEntry
  }

  check(address: ClientAddress): Promise<Api.CheckAnswer> {
    return this.#ask(`${apiPaths.check}?address=${encodeURIComponent(address)}`)
  }

  why(address: ClientAddress): Promise<Api.WhyAnswer> {
    return this.#ask(`${apiPaths.why}?address=${encodeURIComponent(address)}`)
  }

  decide(decision: Api.DecisionRequest): Promise<Api.DecisionAnswer> {
    return this.#tell(apiPaths.decisions, decision)
  }

  /** Asks a question first: voiding a large table takes a while, and a daemon that hangs is not worth that long a wait. */
  async flush(): Promise<Api.FlushAnswer> {
    await this.#ask(`${apiPaths.check}?address=::1`)
    return this.#tell(apiPaths.flush, {}, this.#times.wholeMs)
  }

  prune(): Promise<Api.PruneAnswer> {
    return this.#tell(apiPaths.prune)
  }

  /** Sends the logins in as many requests as they need. */
  async importLogins(logins: readonly Login[]): Promise<Api.ImportAnswer> {
    const sum = { admitted: 0, stale: 0, refused: [] as Api.ImportAnswer['refused'][number][] }
    for (let at = 0; at < logins.length; at += maxLoginsPerRequest) {
      const part = logins.slice(at, at + maxLoginsPerRequest).map(loginToImport)
      const answer = await this.#tell<Api.ImportAnswer>(apiPaths.logins, { logins: part })
      sum.admitted += answer.admitted
      sum.stale += answer.stale
      sum.refused.push(...answer.refused)
    }
    return sum
  }

  async #ask<T>(path: string): Promise<T> {
    return JSON.parse(await this.#exchange('GET', path, undefined, this.#times.questionMs)) as T
  }

  async #tell<T>(path: string, body: unknown = {}, timeoutMs = this.#times.workMs): Promise<T> {
    return JSON.parse(await this.#exchange('POST', path, JSON.stringify(body), timeoutMs)) as T
  }

  /** The body of the answer, where it is one. `timeoutMs` is how long the daemon may be silent. */
  async #exchange(method: string, path: string, body: string | undefined, timeoutMs: number): Promise<string> {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(), timeoutMs)
    try {
      const response = await send(this.#socketPath, method, path, body, silence.signal)
      const text = await readAll(response, () => timer.refresh())
      if (response.statusCode === 200) return text
      throw errorFromAnswer(text, response.statusCode)
    } catch (error) {
      throw silence.signal.aborted ? this.#timedOut(timeoutMs) : this.#explain(error)
    } finally {
      clearTimeout(timer)
    }
  }

  #timedOut(timeoutMs: number): SocketError {
    return new SocketError(`the daemon at ${this.#socketPath} did not answer within ${timeoutMs / 1000} s`, {
      mend: 'see its log; if it hangs, restart it',
    })
  }

  #explain(error: unknown): Error {
    if (error instanceof PopauthdError) return error
    const code = (error as NodeJS.ErrnoException).code
    const tried = `cannot reach the daemon at ${this.#socketPath}: ${reasonOf(error)}`
    if (code === 'ENOENT' || code === 'ECONNREFUSED')
      return new NoDaemonError(tried, { cause: error, mend: 'start it: popauthd run, or your service manager' })
    if (code === 'EACCES')
      return new SocketError(tried, {
        cause: error,
        mend: accessMend(this.#socketPath),
      })
    return new SocketError(tried, { cause: error })
  }
}

function send(socketPath: string, method: string, path: string, body: string | undefined, signal: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const call = request({ socketPath, method, path, headers, signal, agent: false }, resolve)
    call.on('error', reject)
    call.end(body)
  })
}

async function readAll(response: IncomingMessage, onPart: () => void): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    onPart()
    bytes += part.length
    if (bytes > MAX_ANSWER_BYTES) throw new SocketError('the answer of the daemon is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function errorFromAnswer(text: string, status: number | undefined): PopauthdError {
  const answer = parseError(text)
  if (answer === undefined) return new SocketError(`the daemon answered with HTTP status ${status}`)
  const options = answer.mend === undefined ? {} : { mend: answer.mend }
  return answer.exitCode === 2 ? new UsageError(answer.error, options) : new PopauthdError(answer.error, options)
}

function parseError(text: string): Api.ApiError | undefined {
  try {
    const answer = JSON.parse(text) as Partial<Api.ApiError>
    return typeof answer.error === 'string' ? (answer as Api.ApiError) : undefined
  } catch {
    return undefined
  }
}

function loginToImport(login: Login): Api.LoginToImport {
  const { user, address, service, server, atMs } = login
  return { user, address, service, server, at: new Date(atMs).toISOString() }
}

/** Who may use the socket, for somebody who may not: the group of the socket, or of its directory where that cannot be entered. */
export function accessMend(socketPath: string): string {
  const status = statOrUndefined(socketPath) ?? statOrUndefined(dirname(socketPath))
  const group = status === undefined ? undefined : groupName(status.gid)
  if (group === undefined || status?.gid === 0)
    return 'run this as root, or let a group use the socket (option control.group)'
  return `become a member of the group ${group} (usermod -a -G ${group} YOU, then log in again), or run this as root`
}

function statOrUndefined(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** The name of a group, its number where /etc/group does not know it. */
function groupName(gid: number): string {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((text) => text.split(':')[2] === String(gid))
    return line?.split(':')[0] ?? String(gid)
  } catch {
    return String(gid)
  }
}

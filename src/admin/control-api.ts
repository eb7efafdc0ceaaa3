/**
 * The control API: JSON over HTTP on a Unix socket. Who may connect is who the socket's mode and group let in (0660): there
 * is no other login, so it is never bound to the network.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { stream } from 'hono/streaming'
import type { TableChange } from '../core/authorization.ts'
import { PopauthdError, UsageError } from '../errors.ts'
import { readAddress, readDecision, readLogins } from './api-requests.ts'
import { type ApiError, apiPaths, type ChangeEvent, type ListEnd, maxBodyBytes } from './api-types.ts'
import type { WatchableTarget } from './control-target.ts'

type StreamingApi = Parameters<Parameters<typeof stream>[1]>[0]

/** Changes that wait for a slow watcher; past that it is cut off, so that it costs no more memory. */
const MAX_WAITING_CHANGES = 10_000
/** Watchers at a time. */
const MAX_WATCHERS = 16
/** Entries of the list that are written at a time. */
const LIST_PIECE = 500

/** The routes over `target`. `onFault` is told of errors that are no {@link PopauthdError}: faults of ours. */
export function controlApi(target: WatchableTarget, onFault: (error: unknown) => void): Hono {
  const api = new Hono()
  const tooLarge = () => {
    throw new UsageError(`the request is longer than ${maxBodyBytes} bytes`)
  }
  api.use(bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge }))
  api.get(apiPaths.status, async (c) => c.json(await target.status()))
  api.get(apiPaths.check, async (c) => c.json(await target.check(readAddress(c.req.query('address')))))
  api.get(apiPaths.why, async (c) => c.json(await target.why(readAddress(c.req.query('address')))))
  api.post(apiPaths.decisions, async (c) => c.json(await target.decide(readDecision(await bodyOf(c.req)))))
  api.post(apiPaths.flush, async (c) => c.json(await target.flush()))
  api.post(apiPaths.prune, async (c) => c.json(await target.prune()))
  api.post(apiPaths.logins, async (c) => c.json(await target.importLogins(readLogins(await bodyOf(c.req)))))
  addList(api, target, onFault)
  addChanges(api, target)
  api.notFound((c) =>
    c.json({ error: `there is no ${c.req.method} ${c.req.path}`, exitCode: 2 } satisfies ApiError, 404),
  )
  api.onError((error, c) => {
    if (!(error instanceof PopauthdError)) onFault(error)
    return c.json(errorAnswer(error), error instanceof PopauthdError && error.exitCode === 2 ? 400 : 503)
  })
  return api
}

async function bodyOf(request: { json(): Promise<unknown> }): Promise<unknown> {
  try {
    return await request.json()
  } catch (cause) {
    if (cause instanceof PopauthdError) throw cause
    throw new UsageError('the body of the request is not JSON', { cause })
  }
}

function errorAnswer(error: unknown): ApiError {
  if (!(error instanceof PopauthdError))
    return { error: 'the daemon met an unexpected error', mend: 'its log says more', exitCode: 3 }
  const mend = error.mend === undefined ? {} : { mend: error.mend }
  return { error: error.message, ...mend, exitCode: error.exitCode === 2 ? 2 : 3 }
}

/** `GET /v1/authorizations`: newline-delimited JSON, ended by the count or by an error; other work gets its turn between the pieces. */
function addList(api: Hono, target: WatchableTarget, onFault: (error: unknown) => void): void {
  api.get(apiPaths.list, (c) => {
    c.header('content-type', 'application/x-ndjson')
    const onError = async (error: Error, out: StreamingApi) => {
      if (!(error instanceof PopauthdError)) onFault(error)
      await out.write(`${JSON.stringify(errorAnswer(error))}\n`)
    }
    const write = async (out: StreamingApi) => {
      let count = 0
      let piece = ''
      for await (const entry of target.list()) {
        if (out.aborted) return
        piece += `${JSON.stringify(entry)}\n`
        if (++count % LIST_PIECE !== 0) continue
        await out.write(piece)
        await nextTurn()
        piece = ''
      }
      await out.write(`${piece}${JSON.stringify({ count } satisfies ListEnd)}\n`)
    }
    return stream(c, write, onError)
  })
}

/** `GET /v1/changes`: newline-delimited JSON, one {@link ChangeEvent} a line, until the watcher leaves. */
function addChanges(api: Hono, target: WatchableTarget): void {
  let watchers = 0
  api.get(apiPaths.changes, (c) => {
    if (watchers >= MAX_WATCHERS) throw new PopauthdError(`${MAX_WATCHERS} watchers are connected already`)
    watchers++
    c.header('content-type', 'application/x-ndjson')
    return stream(c, async (out) => {
      const waiting: TableChange[] = []
      let wake = () => {}
      const stop = target.onChange((change) => {
        if (waiting.length < MAX_WAITING_CHANGES) waiting.push(change)
        wake()
      })
      out.onAbort(() => wake())
      try {
        while (!out.aborted && waiting.length < MAX_WAITING_CHANGES) {
          const lines = waiting.splice(0).map((change) => `${JSON.stringify(changeEvent(change))}\n`)
          if (lines.length > 0) await out.write(lines.join(''))
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        stop()
        watchers--
      }
    })
  })
}

function changeEvent(change: TableChange): ChangeEvent {
  const { kind, address, atMs, untilMs, reason, user } = change
  const until = untilMs === undefined ? null : new Date(untilMs).toISOString()
  return { kind, address, at: new Date(atMs).toISOString(), until, reason, ...(user === undefined ? {} : { user }) }
}

/**
 * Takes Dovecot's reports over HTTP: `POST /dovecot/policy?command=report` (auth policy) and `POST /dovecot/event` (event exporter). Every
 * request must carry the secret. Answers in the form of auth policy; `allow` queries are answered with yes at once, popauthd decides no login.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Clock } from '../../lib/clock.ts'
import { type ReadReport, readEvent, readPolicyReport } from './dovecot-report.ts'
import type { Recorded, ReportQueue } from './report-queue.ts'
import type { ReportSecret } from './report-secret.ts'
import type { ReportTally } from './report-tally.ts'

/** Longest body of a request, and longest line on the Unix socket; Dovecot's are below 2 KiB. */
export const MAX_REPORT_BYTES = 16 * 1024
/** Dovecot waits two seconds for an answer (auth_policy_server_timeout_msecs); a login that is not recorded by then still waits here. */
const ANSWER_MS = 1000
/** No reject, no delay, no message. */
const YES = { status: 0, msg: '' }

/** What the routes work with. */
export interface ReportApiParts {
  readonly secret: ReportSecret
  readonly queue: ReportQueue
  readonly tally: ReportTally
  readonly clock: Clock
}

/**
 * The routes. 200: the login is recorded, or the report opens nothing; 400 and 413: not a report; 401: no secret; 503: not recorded yet, or no room.
 * Dovecot heeds none of them but writes a line to its log for all but 200.
 */
export function reportApi(parts: ReportApiParts): Hono {
  const { secret, tally, clock } = parts
  const api = new Hono()
  api.use(async (c, next) => {
    if (secret.isIn({ authorization: c.req.header('authorization'), apiKey: c.req.header('x-api-key') })) return next()
    tally.lost('unauthorized')
    c.header('connection', 'close')
    return c.json({ ...YES, msg: 'not authorized' }, 401)
  })
  const tooLarge = () => {
    tally.lost('malformed', `longer than ${MAX_REPORT_BYTES} bytes`)
    return Response.json({ ...YES, msg: 'too long' }, { status: 413, headers: { connection: 'close' } })
  }
  api.use(bodyLimit({ maxSize: MAX_REPORT_BYTES, onError: tooLarge }))
  const taken = async (read: (text: string, receivedMs: number) => ReadReport, body: ArrayBuffer) => {
    const status = await take(parts, read, new Uint8Array(body))
    return Response.json(status === 200 ? YES : { ...YES, msg: status === 400 ? 'not a report' : 'not recorded' }, {
      status,
    })
  }
  api.post('/dovecot/policy', async (c) => {
    if (c.req.query('command') !== 'report') return c.json(YES)
    return taken(readPolicyReport, await c.req.arrayBuffer())
  })
  api.post('/dovecot/event', async (c) => taken(readEvent, await c.req.arrayBuffer()))
  api.notFound((c) => c.json({ ...YES, msg: 'no such path' }, 404))
  api.onError((_error, c) => {
    // A body that broke off.
    tally.lost('malformed', 'the request broke off')
    return c.json({ ...YES, msg: 'not a report' }, 400)
  })
  return api

  async function take(
    { queue }: ReportApiParts,
    read: (text: string, receivedMs: number) => ReadReport,
    body: Uint8Array,
  ) {
    const report = readBytes(body, (text) => read(text, clock.now()))
    if (report.kind !== 'login') {
      tally.lost(report.kind, report.reason)
      return report.kind === 'ignored' ? 200 : 400
    }
    const how = await inTime(queue.push(report.login), clock)
    if (how === 'dropped') tally.lost('dropped')
    return how === 'recorded' ? 200 : 503
  }
}

/** A report in bytes: what is not UTF-8 is none. */
export function readBytes(bytes: Uint8Array, read: (text: string) => ReadReport): ReadReport {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { kind: 'malformed', reason: 'not UTF-8' }
  }
  return read(text)
}

async function inTime(recorded: Promise<Recorded>, clock: Clock): Promise<Recorded | 'late'> {
  let cancel = () => {}
  const late = new Promise<'late'>((resolve) => {
    cancel = clock.setTimer(ANSWER_MS, () => resolve('late'))
  })
  return Promise.race([recorded, late]).finally(() => cancel())
}

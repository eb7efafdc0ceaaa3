/**
 * Takes Dovecot's reports over HTTP: `POST /dovecot/policy?command=report` (auth policy) and `POST /dovecot/event` (event exporter). Every
 * request must carry the secret. Answers in the form of auth policy; `allow` queries are answered with yes at once, popauthd decides no login.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Login } from '../../core/login.ts'
import type { Clock } from '../../lib/clock.ts'
import { inTime } from '../../lib/in-time.ts'
import type { CommitQueue } from '../commit-queue.ts'
import { type ReadReport, readEvent, readPolicyReport } from './dovecot-report.ts'
import type { ReportSecret } from './report-secret.ts'
import type { ReportTally } from './report-tally.ts'

/** Longest body of a request, and longest line on the Unix socket; Dovecot's are below 2 KiB. */
export const MAX_REPORT_BYTES = 16 * 1024
/** Dovecot waits two seconds for an answer (auth_policy_server_timeout_msecs); a login that is not recorded by then still waits here. */
const ANSWER_MS = 1000
/** No reject, no delay, no message. */
const YES = { status: 0, msg: '' }

/** What the routes work with. */
interface ReportApiParts {
  readonly secret: ReportSecret
  readonly queue: CommitQueue<Login>
  readonly tally: ReportTally
  readonly clock: Clock
}

/**
 * The routes. 200: the login is recorded, or the report opens nothing; 400 and 413: not a report; 401: no secret; 503: not recorded yet, or no room.
 * Dovecot heeds none of them but writes a line to its log for all but 200.
 */
export function reportApi(parts: ReportApiParts): Hono {
  const api = new Hono()
  addGuards(api, parts)
  api.post('/dovecot/policy', async (c) => {
    if (c.req.query('command') !== 'report') return c.json(YES)
    return answer(await take(parts, readPolicyReport, await c.req.arrayBuffer()))
  })
  api.post('/dovecot/event', async (c) => answer(await take(parts, readEvent, await c.req.arrayBuffer())))
  api.notFound(() => answer(404))
  api.onError(() => {
    parts.tally.lost('malformed', 'the request broke off')
    return answer(400)
  })
  return api
}

/** Nothing of a request is looked at before its secret, and not much after. */
function addGuards(api: Hono, { secret, tally }: ReportApiParts): void {
  api.use(async (c, next) => {
    if (secret.isIn({ authorization: c.req.header('authorization'), apiKey: c.req.header('x-api-key') })) return next()
    tally.lost('unauthorized')
    return answer(401)
  })
  const onError = () => {
    tally.lost('malformed', `longer than ${MAX_REPORT_BYTES} bytes`)
    return answer(413)
  }
  api.use(bodyLimit({ maxSize: MAX_REPORT_BYTES, onError }))
}

const MESSAGES = {
  200: '',
  400: 'not a report',
  401: 'not authorized',
  404: 'no such path',
  413: 'too long',
  503: 'not recorded',
} as const

type Status = keyof typeof MESSAGES

function answer(status: Status): Response {
  const closes = status === 401 || status === 413
  return Response.json(
    { ...YES, msg: MESSAGES[status] },
    { status, ...(closes && { headers: { connection: 'close' } }) },
  )
}

type Reader = (text: string, receivedMs: number) => ReadReport

async function take({ queue, tally, clock }: ReportApiParts, read: Reader, body: ArrayBuffer): Promise<Status> {
  const report = readBytes(new Uint8Array(body), (text) => read(text, clock.now()))
  if (report.kind !== 'login') {
    tally.lost(report.kind, report.reason)
    return report.kind === 'ignored' ? 200 : 400
  }
  const how = await inTime(queue.push(report.login), ANSWER_MS, clock)
  if (how === 'dropped') tally.lost('dropped')
  return how === 'recorded' ? 200 : 503
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

/**
 * What Dovecot reports of a login, as values: the body of an auth-policy `report` (https://doc.dovecot.org, "Authentication Policy") and an event
 * of its event exporter in JSON, both of 2.3 and 2.4. Left out: everything that is no login by POP3 or IMAP that succeeded.
 */
import { z } from 'zod'
import { parseClientAddress } from '../../core/client-address.ts'
import type { Login } from '../../core/login.ts'

/** `ignored`: a true report of something that opens nothing. `malformed`: not what Dovecot sends with the settings of docs/dovecot-reports.md. */
export type ReadReport =
  | { readonly kind: 'login'; readonly login: Login }
  | { readonly kind: 'ignored' | 'malformed'; readonly reason: string }

/** As the lines of Dovecot's log name it: a login that both tell of is the same login. */
const SERVER = 'dovecot'
const LONGEST_USER = 255
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/
const SESSION = /^[!-~]{1,128}$/

const policyReport = z.object({
  login: z.string(),
  remote: z.string(),
  protocol: z.string(),
  success: z.boolean(),
  policy_reject: z.boolean(),
  mechanism: z.string().optional(),
  session_id: z.string().optional(),
  tls: z.boolean().optional(),
})

/** A password was checked; `success` tells how that ended. */
const CHECKED = 'auth_request_finished'
/** A proxy's backend let the user in. On a proxy that leaves the password to the backend, {@link CHECKED} says yes to every password. */
const PROXIED = 'proxy_session_established'

const exportedTime = z.union([z.string(), z.number()]).optional()

const loginFields = z.object({
  user: z.string(),
  remote_ip: z.string().optional(),
  // 2.3 names the protocol `service`; in 2.4 that is the login process.
  service: z.string().optional(),
  protocol: z.string().optional(),
  success: z.string().optional(),
  policy_result: z.string().optional(),
  mechanism: z.string().optional(),
  session: z.string().optional(),
})

const exportedEvent = z.object({ event: z.string(), end_time: exportedTime, fields: z.unknown() })

/** Reads the JSON text of an auth-policy report, which came at `receivedMs` and tells no time itself. */
export function readPolicyReport(text: string, receivedMs: number): ReadReport {
  const read = parsed(policyReport, text)
  if ('reason' in read) return read
  const { login, remote, protocol, success, policy_reject, mechanism, session_id, tls } = read.value
  if (!success || policy_reject) return ignored('no success')
  const one = { user: login, remote, service: protocol, mechanism, session: session_id, atMs: receivedMs }
  return loginOf(tls === undefined ? one : { ...one, tls })
}

/** Reads the JSON text of an exported event. Its own time counts where it tells one, else `receivedMs`. */
export function readEvent(text: string, receivedMs: number): ReadReport {
  const read = parsed(exportedEvent, text)
  if ('reason' in read) return read
  const { event, end_time } = read.value
  if (event !== CHECKED && event !== PROXIED) return ignored('an event that is no login')
  const fields = loginFields.safeParse(read.value.fields)
  if (!fields.success) return malformed(`fields: ${wordsOf(fields.error)}`)
  const { user, remote_ip, service, protocol, success, policy_result, mechanism, session } = fields.data
  if (event === CHECKED && (success !== 'yes' || policy_result === 'reject')) return ignored('no success')
  const atMs = end_time === undefined ? receivedMs : timeOf(end_time)
  if (atMs === undefined) return malformed('end_time: neither RFC 3339 nor Unix seconds')
  return loginOf({ user, remote: remote_ip ?? '', service: protocol ?? service ?? '', mechanism, session, atMs })
}

interface Reported {
  readonly user: string
  readonly remote: string
  readonly service: string
  readonly mechanism: string | undefined
  readonly session: string | undefined
  readonly atMs: number
  readonly tls?: boolean
}

function loginOf({ user, remote, service, mechanism, session, atMs, tls }: Reported): ReadReport {
  if (service !== 'pop3' && service !== 'imap') return ignored('neither POP3 nor IMAP')
  if (mechanism?.toUpperCase() === 'ANONYMOUS') return ignored('an anonymous login')
  if (remote === '') return ignored('a client without an address')
  const address = parseClientAddress(remote)
  if (address === undefined) return malformed('the address of the client is none')
  if (user === '' || user.length > LONGEST_USER || UNPRINTABLE.test(user)) return malformed('the user name is none')
  const login: Login = { user, address, service, server: SERVER, atMs }
  const known = session !== undefined && SESSION.test(session) ? { session } : {}
  return { kind: 'login', login: { ...login, ...(tls === undefined ? {} : { tls }), ...known } }
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
const UNIX_SECONDS = /^\d{1,12}(?:\.\d{1,9})?$/

/** Unix milliseconds, whole ones, of what the exporter writes with `rfc3339` or `unix`. */
function timeOf(time: string | number): number | undefined {
  const text = String(time)
  const atMs = RFC3339.test(text) ? Date.parse(text) : UNIX_SECONDS.test(text) ? Math.floor(Number(text) * 1000) : NaN
  return Number.isSafeInteger(atMs) ? atMs : undefined
}

function parsed<T>(
  shape: z.ZodType<T>,
  text: string,
): { readonly value: T } | { readonly kind: 'malformed'; readonly reason: string } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { kind: 'malformed', reason: 'not JSON' }
  }
  const read = shape.safeParse(json)
  return read.success ? { value: read.data } : { kind: 'malformed', reason: wordsOf(read.error) }
}

/** Where the first fault is and what was expected; holds nothing of what was sent. */
function wordsOf(error: z.ZodError): string {
  const issue = error.issues[0]
  const place = issue === undefined || issue.path.length === 0 ? 'the report' : issue.path.map(String).join('.')
  return `${place}: ${issue?.message ?? 'unknown fault'}`
}

function ignored(reason: string): ReadReport {
  return { kind: 'ignored', reason }
}

function malformed(reason: string): ReadReport {
  return { kind: 'malformed', reason }
}

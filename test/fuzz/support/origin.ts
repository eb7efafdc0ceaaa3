/**
 * Re-checks a login against the line that it came out of, with nothing of the parsers: of a genuine log that was edited, only what the edits
 * touched may have changed in the login, and the address must stand where the genuine one stood.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { Login } from '../../../src/core/login.ts'
import type { Edited } from './edits.ts'
import type { SampleLog } from './sample-logs.ts'

/** The canonical text of an address (RFC 5952; IPv4-mapped IPv6 as IPv4), or undefined where the text is none. */
function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return undefined
  const whole = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(whole)
  if (mapped === null) return whole
  const [high, low] = mapped.slice(1).map((part) => Number.parseInt(part, 16)) as [number, number]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** A part of a log: from `start` to before `end`, in bytes. */
interface Span {
  readonly start: number
  readonly end: number
}

/** Where texts stand in `log` that say this address, each with its port left out. */
export function addressSpans(log: string, address: string): Span[] {
  return [...log.matchAll(/[0-9a-fA-F:.]{2,60}/g)].flatMap(({ 0: run, index }) =>
    betweenColons(run)
      .filter(({ start, end }) => canonicalAddress(run.slice(start, end)) === address)
      .map(({ start, end }) => ({ start: index + start, end: index + end })),
  )
}

/** A colon may part an address from what stands before it, and from its port. */
function betweenColons(run: string): Span[] {
  const cuts = [...run.matchAll(/:|\.$/g)].map(({ index }) => index)
  const starts = [0, ...cuts.map((cut) => cut + 1)]
  const ends = [run.length, ...cuts]
  return starts.flatMap((start) => ends.filter((end) => end > start + 1).map((end) => ({ start, end })))
}

/** Where `text` stands in `log`. */
function textSpans(log: string, text: string): Span[] {
  const spans: Span[] = []
  for (let at = log.indexOf(text); text !== '' && at >= 0; at = log.indexOf(text, at + 1)) {
    spans.push({ start: at, end: at + text.length })
  }
  return spans
}

/** The addresses that Dovecot's session ids in `log` hold: 48 bits of time, the port, the address, all with the lowest byte first. */
function addressesInSessions(log: string): (string | undefined)[] {
  return [...log.matchAll(/<([A-Za-z0-9+/]{12,34})>/g)].map(({ 1: id = '' }) => {
    const bytes = Buffer.from(id, 'base64').subarray(8)
    if (bytes.length === 4) return [...bytes].join('.')
    if (bytes.length !== 16) return undefined
    return canonicalAddress((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'))
  })
}

/** Why this login of the edited log of a sample cannot be, or undefined where it can. Texts are latin1, so that offsets are of bytes. */
export function doubtAbout(login: Login, sample: SampleLog, log: string, edited: Edited): string | undefined {
  const text = edited.bytes.toString('latin1')
  return doubtAboutAddress(login, sample, log, text, edited.origins) ?? doubtAboutRest(login, sample, log, text, edited)
}

function doubtAboutAddress(
  { address }: Login,
  { expect }: SampleLog,
  log: string,
  text: string,
  origins: readonly number[],
): string | undefined {
  if (addressesInSessions(text).includes(address)) return undefined
  const found = addressSpans(text, address)
  if (found.length === 0) return `${address} stands nowhere in it`
  if (expect === null || isEarlierLineTouched(log, origins)) return undefined
  const genuine = addressSpans(log, expect.ip)
  const stands = found.some((span) => genuine.some((place) => standsAt(span, place, origins)))
  return stands ? undefined : `${address} does not stand where ${expect.ip} stood`
}

/** True where `span` of the edited log takes the place that `place` had: it holds bytes of it, or stands between what stood on its sides. */
function standsAt(span: Span, place: Span, origins: readonly number[]): boolean {
  if (origins.slice(span.start, span.end).some((origin) => origin >= place.start && origin < place.end)) return true
  const before = origins.slice(0, span.start).findLast((origin) => origin >= 0) ?? -1
  const behind = origins.slice(span.end).find((origin) => origin >= 0) ?? Number.POSITIVE_INFINITY
  return before < place.end && behind >= place.start
}

function doubtAboutRest(
  { user, service, server }: Login,
  sample: SampleLog,
  log: string,
  text: string,
  { origins }: Edited,
): string | undefined {
  const { expect } = sample
  if (expect === null) return undefined
  if (server !== sample.server) return `${server} takes a line of ${sample.server}`
  const genuine = textSpans(log, Buffer.from(expect.user).toString('latin1'))
  if (genuine.length > 0 && user !== expect.user) {
    const mayChange = isEarlierLineTouched(log, origins) || genuine.some((span) => isTouched(withKey(span), origins))
    if (!mayChange) return `the user is no longer ${expect.user}`
    if (!text.includes(Buffer.from(user).toString('latin1'))) return `${user} stands nowhere in it`
  }
  if (service === expect.service || expect.service === 'any') return undefined
  const names = [...log.matchAll(SERVICE)].map(({ 0: name, index }) => ({ start: index, end: index + name.length }))
  return names.some((span) => isTouched(span, origins)) ? undefined : `the service is no longer ${expect.service}`
}

/** True where edits changed a line before the last one: a session of which a line was lost may look like another that its lines tell of. */
function isEarlierLineTouched(log: string, origins: readonly number[]): boolean {
  const end = log.lastIndexOf('\n') + 1
  return end > 0 && isTouched({ start: 0, end: end - 1 }, origins)
}

/** The span and what may stand in front of it: `user=<`. */
function withKey({ start, end }: Span): Span {
  return { start: Math.max(0, start - 6), end }
}

/** What servers tell the service by. */
const SERVICE = /pop3?|imap4?|\b(?:110|143|993|995)\b/gi

/** True where edits changed bytes of `span`, put some in, or took those beside it away. */
function isTouched({ start, end }: Span, origins: readonly number[]): boolean {
  const first = start === 0 ? -1 : origins.indexOf(start - 1)
  if (start > 0 && first < 0) return true
  for (let offset = start; offset <= end; offset++) {
    const here = origins[first + 1 + offset - start]
    if (here !== offset && !(here === undefined && offset === end)) return true
  }
  return false
}

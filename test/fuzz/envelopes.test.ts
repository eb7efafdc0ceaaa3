/** The samples in every envelope: what is no login in one is none in any, and a login says the same in all. */
import { describe, expect, it } from 'vitest'
import { type Envelope, envelopes, messageOf } from './support/envelopes.ts'
import { logOf, type SampleLog, sampleLogs, scanLog } from './support/sample-logs.ts'

/** Without host or process id, lines of one session are not told from those of others. */
const LOSES_SESSION = /^(?:RFC 3164 without a host|metalog|multilog|socklog|a file of Dovecot.*|Docker|Kubernetes)$/
/** Samples that are no login for their envelope alone. */
const ENVELOPE_DECIDES = [
  'host name field imitates the program name (constructed)',
  'its own file, in which a user name with a line feed writes lines (vanessa_logger.c)',
]

/** `user address service` of each login that comes out of the sample in this envelope; undefined where its lines go into no other. */
function loginsIn({ lines, format }: SampleLog, envelope: Envelope): string[] | undefined {
  const messages = lines.flatMap((line) => messageOf(line, format) ?? [])
  if (messages.length < lines.length) return undefined
  const log = logOf({ lines: messages.map((message, index) => envelope.write(message, index)) })
  const { logins } = scanLog(log, envelope.format)
  return logins.map(({ user, address, service }) => `${user} ${address} ${service}`)
}

describe.each(envelopes.map((envelope) => [envelope.name, envelope] as const))('in %s', (name, envelope) => {
  const wrapped = sampleLogs
    .filter(
      ({ comment, lines }) => !ENVELOPE_DECIDES.includes(comment) && (lines.length === 1 || !LOSES_SESSION.test(name)),
    )
    .map((sample) => ({ ...sample, logins: loginsIn(sample, envelope) }))

  it('a line that is no login is none', () => {
    const others = wrapped.filter((sample) => sample.expect === null && sample.logins !== undefined)
    expect(others.length).toBeGreaterThan(300)
    expect(others.filter(({ logins }) => logins?.length !== 0)).toEqual([])
  })

  it('a login is the same or none', () => {
    const genuine = wrapped.filter((sample) => sample.expect !== null && sample.logins?.length)
    expect(new Set(genuine.map(({ server }) => server)).size).toBeGreaterThan(0)
    const changed = genuine.filter(({ logins, ...sample }) => {
      const { user, ip, service } = sample.expect ?? {}
      return logins?.join() !== `${user} ${ip} ${service}`
    })
    expect(changed).toEqual([])
  })
})

import { expect, it } from 'vitest'
import type { FailedLineFact, ServerFact, SourceStatus } from '../admin/api-types.ts'
import { colorsFor } from '../lib/terminal.ts'
import { localTime } from './output.ts'
import { serversText } from './status-servers.ts'

const NOW = Date.parse('2026-11-22T16:20:05Z')
const SINCE = '2026-11-22T14:02:00.000Z'
const PLAIN = colorsFor({}, {})

const line = (more: Partial<FailedLineFact> = {}): FailedLineFact => ({
  at: SINCE,
  reason: 'not a client address',
  column: 48,
  line: 'Nov 22 14:02:00 mx1 dovecot: imap-login: Login: user=<a>',
  foreign: false,
  ...more,
})

const fact = (more: Partial<ServerFact> = {}): ServerFact => ({
  server: 'dovecot',
  logins: 1200,
  lastLogin: SINCE,
  logouts: 1100,
  rejected: 0,
  foreign: 0,
  recent: [],
  ...more,
})

function shown(servers: readonly ServerFact[], more: readonly SourceStatus[] = []): string {
  const source: SourceStatus = { id: 'a', origin: '/var/log/mail.log', position: null, caughtUp: true, servers }
  return serversText({ sources: [source, ...more] }, NOW, PLAIN)
}

it('shows nothing where nothing was seen, and where no daemon tells', () => {
  expect(shown([])).toBe('')
  expect(serversText({ sources: [{ id: 'a', origin: 'a', position: null, caughtUp: false }] }, NOW, PLAIN)).toBe('')
})

it('counts what came of each server', () => {
  const text = shown([fact(), fact({ server: 'qpopper', logins: 0, lastLogin: null, rejected: 7, foreign: 3 })])
  expect(text.split('\n').map((row) => row.trimEnd())).toEqual([
    'servers',
    '  SERVER   LOGINS  LAST LOGIN  LOGOUTS           NOT RECOGNIZED',
    `  dovecot    1200  ${localTime(SINCE, NOW)}       1100                        0`,
    '  qpopper       0  never          1100  7 (3 of other programs)',
    '',
  ])
})

it('says loudly that no login matches any more, and what to do', () => {
  const drift = { kind: 'drift' as const, lines: 214, foreign: 0, since: SINCE, last: SINCE }
  const at = localTime(SINCE, NOW)
  expect(shown([fact({ drift })])).toContain(
    `  dovecot: 214 lines look like logins but none matched since ${at}: did its log format change? popauthd explain '<line>'\n`,
  )
  const tried = shown([fact({ logins: 0, drift: { ...drift, kind: 'attempts' } })])
  expect(tried).toContain('none ever was one: somebody may be trying')
  expect(tried).not.toContain('did its log format change')
})

it('names the log where there are several', () => {
  const other = { id: 'b', origin: 'journal', position: null, caughtUp: true, servers: [fact()] }
  expect(shown([fact()], [other])).toMatch(/ {2}LOG .*\n {2}\/var\/log\/mail\.log +dovecot .*\n {2}journal +dovecot /)
})

it('shows the lines with the place where they failed, and no more than fit', () => {
  const text = shown([fact({ rejected: 5, recent: [line({ line: 'x\x1b[2J' })] })])
  expect(text).toContain("not recognized (popauthd explain '<line>' shows where a line fails)\n")
  expect(text).toContain(`  ${localTime(SINCE, NOW)}  dovecot, column 48: not a client address\n    x\\x1b[2J\n`)
  const many = Array.from({ length: 30 }, (_, i) => fact({ server: `s${i}`, recent: Array(5).fill(line()) }))
  const flooded = shown(many)
  expect(flooded.match(/column 48/g)).toHaveLength(15)
  expect(flooded).toContain('  and 135 more: popauthd status --json\n')
})

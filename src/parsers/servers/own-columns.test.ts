/** Attacks on the servers that write what clients send into columns of their own, each line ended by CR LF. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { effort } from '../../../test/support/effort.ts'
import { LoginScanner } from '../scanner.ts'
import { exchange } from './exchange.ts'
import { hmailserver } from './hmailserver.ts'
import { mailenable } from './mailenable.ts'

const PARSERS = [hmailserver, exchange, mailenable]
const NEWEST_MS = Date.UTC(2026, 10, 22, 14)
/** He cannot log in, and no line that a server wrote by itself names him. */
const EVIL = '203.0.113.9'
const REAL = '198.51.100.7'

const samples = PARSERS.flatMap(({ sample }) => sample.map((line) => line.replace(REAL, EVIL)))
const PIECES = [
  ...samples,
  ...samples.map((line) => `\n${line}`),
  ...samples.map((line) => `\n${line}\n`),
  ...samples.map((line) => `\n${line.slice(0, -1)}`),
  `"\t"${EVIL}"\t"SENT: +OK Mailbox locked and ready`,
  'SENT: x OK LOGIN completed',
  ' OK LOGIN completed',
  `,${EVIL}:1,alice,1,1,1,login,alice *****,R=OK,`,
  'R=OK',
  ' *****',
  '"',
  '""',
  '\t',
  '\n',
  ',',
  ' ',
  'LOGIN ',
  'USER ',
  '***',
  ' ... ',
  'a',
  'x'.repeat(200),
]
const hostile = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(''))

function hmail(service: string, session: number, text: string): string {
  return `"${service}"\t1\t${session}\t"2026-11-22 13:31:02.200"\t"${EVIL}"\t"${text}"`
}

/** As hMailServer does it from 500 characters on. */
function cut(line: string): string {
  return line.length < 498 ? line : `${line.slice(0, 470)} ... ${line.slice(-23)}`
}

const csv = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""').replaceAll('\n', '\\n')}"` : text)

/** Lines of one session of his, as the server writes them, with what is his to fill. */
const TEMPLATES: readonly ((his: string) => string[])[] = [
  (his) => [
    hmail('POP3D', 18, `RECEIVED: USER ${his}`),
    hmail('POP3D', 18, 'SENT: -ERR Invalid user name or password.'),
  ],
  (his) => [hmail('POP3D', 18, 'RECEIVED: USER mallory'), hmail('POP3D', 18, `RECEIVED: ${his}`)],
  (his) => [
    hmail('IMAPD', 18, 'RECEIVED: a LOGIN mallory ***'),
    hmail('IMAPD', 18, `RECEIVED: ${his}`),
    hmail('IMAPD', 18, `SENT: ${his.split(' ')[0]} NO Invalid user name or password.`),
    hmail('IMAPD', 18, `SENT: ${his} BAD NULL COMMAND`),
  ],
  (his) => [hmail('SMTPD', 18, `RECEIVED: EHLO ${his}`)],
  (his) => [
    `2026-11-22T13:31:02.200Z,0000000000000009,2,192.0.2.25:143,${EVIL}:1,${csv(his)},1,1,1,login,${csv(`${his} *****`)},${csv(`R="${his} NO LOGIN failed."`)},`,
  ],
  (his) => [
    `11/22/26 13:31:02\tIMAP-IN\t\t34\t${EVIL}\tLOGIN\tLOGIN ${his} ****\t${his.split(' ')[0]} NO LOGIN Failed\t53\t42\t\t`,
    `11/22/26 13:31:02\tIMAP-IN\t\t34\t${EVIL}\tLOGIN\tLOGIN "x" "****"\t${his.split(' ')[0]} NO LOGIN Failed\t53\t42\t${his.split(' ')[0]}\t`,
  ],
]

/** One for all: what an attack leaves behind may serve the next. */
const scanner = new LoginScanner({ parsers: PARSERS, timezone: 'UTC' })

it('lets nobody forge a login by what he sends, over any number of commands', () => {
  const attack = fc.array(fc.tuple(fc.constantFrom(...TEMPLATES), hostile), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(attack, fc.boolean(), (steps, isWhole) => {
      const lines = steps.flatMap(([template, his]) => template(his)).map((line) => (isWhole ? line : cut(line)))
      const log = Buffer.from(['"APPLICATION"\t1\t"x"\t"y"', ...lines].map((line) => `${line}\r\n`).join(''))
      const found: string[] = []
      scanner.scan(
        log,
        { format: 'lines', newestMs: NEWEST_MS },
        { login: ({ address }) => found.push(address), rejected: () => {} },
      )
      if (found.length > 0) expect.fail(`${found} came out of ${JSON.stringify(log.toString())}`)
    }),
    effort(2000),
  )
})

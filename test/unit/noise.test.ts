/** Logs of other programs, and of other lines of our servers: nothing comes out but the logins that truly are in them (test/noise/README.md). */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { envelopes } from '../fuzz/support/envelopes.ts'
import { scanLog } from '../fuzz/support/sample-logs.ts'

const folder = join(import.meta.dirname, '../noise')

/** The true logins in each file. */
const LOGINS: Readonly<Record<string, readonly string[]>> = {
  'crowdsec-hub.log': [
    'dovecot pop3 test@yourdomain.net 172.17.0.1',
    'nginx-mail imap admin@example.com 174.233.1.144',
  ],
  'mail-transport.log': [],
}

function loginsIn(log: Buffer, format: 'lines' | 'any' | 'journal-json' = 'lines'): string[] {
  return scanLog(log, format).logins.map(
    ({ server, service, user, address }) => `${server} ${service} ${user} ${address}`,
  )
}

describe.each(Object.entries(LOGINS))('%s', (name, logins) => {
  const log = readFileSync(join(folder, name))

  it('gives the logins that are in it, and no more', () => {
    expect(log.toString().trim().split('\n').length).toBeGreaterThan(30)
    expect(loginsIn(log)).toEqual(logins)
  })

  it.each(envelopes.map((envelope) => [envelope.name, envelope] as const))(
    'gives nothing as the text of programs of other names, in %s',
    (_name, { format, write }) => {
      const lines = log.toString().trim().split('\n')
      const wrapped = ['sshd', 'postfix/smtpd', 'CRON', 'kernel', 'logger'].flatMap((program) =>
        lines.map((text, second) => write({ host: 'mx1', program, pid: 7, text }, second)),
      )
      expect(loginsIn(Buffer.from(wrapped.join('\n')), format)).toEqual([])
    },
  )
})

/** Everything under this folder is a log, perhaps gzipped; each login in it must be named in a file `logins.txt` there, one a line. */
const otherNoise = process.env.POPAUTHD_NOISE

describe('the logs under the folder that POPAUTHD_NOISE names', () => {
  it.skipIf(otherNoise === undefined)(
    'give the logins of logins.txt (skipped unless POPAUTHD_NOISE names a folder)',
    () => {
      const known = new Set(readFileSync(join(otherNoise as string, 'logins.txt'), 'utf8').split('\n'))
      const found = filesUnder(otherNoise as string).flatMap((path) => {
        const bytes = readFileSync(path)
        return loginsIn(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes, 'any')
      })
      expect([...new Set(found)].filter((login) => !known.has(login))).toEqual([])
    },
  )

  function filesUnder(path: string): string[] {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path).flatMap((name) => (name === 'logins.txt' ? [] : filesUnder(join(path, name))))
  }
})

import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callCli } from './fake-process.ts'

const MTIME_S = Date.UTC(2026, 10, 22) / 1000

function login(user: string, ip = '198.51.100.7', time = 'Nov 20 10:00:00'): string {
  return `${time} mx popper[21040]: (v4.0.5) POP login by user "${user}" at (pc.example.com) ${ip}`
}

const NOISE = 'Nov 20 10:00:00 mx sshd[4]: Failed password for root from 203.0.113.66 port 22 ssh2'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-scan-'))
})

afterAll(() => rmSync(directory, { recursive: true }))

function logFile(name: string, content: string | Buffer): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  utimesSync(path, MTIME_S, MTIME_S)
  return path
}

async function scanJson(...args: string[]) {
  const result = await callCli(['scan', '--json', '--timezone', 'UTC', ...args])
  const lines = result.stdout.split('\n').slice(0, -1)
  return { ...result, logins: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('scan --json', () => {
  it('reads lines of journalctl -o json among others', async () => {
    const entry = {
      __REALTIME_TIMESTAMP: '1795360742193803',
      _HOSTNAME: 'mx1',
      _EXE: '/usr/lib/dovecot/log',
      _UID: '0',
      SYSLOG_IDENTIFIER: 'dovecot',
      MESSAGE:
        'imap-login: Login: user=<carol>, method=PLAIN, rip=198.51.100.13, lip=192.0.2.25, mpid=334, session=<a>',
    }
    const forged = { ...entry, SYSLOG_IDENTIFIER: 'sshd', _EXE: '/usr/sbin/sshd' }
    const path = logFile('journal.log', `${login('alice')}\n${JSON.stringify(entry)}\n${JSON.stringify(forged)}\n`)
    const { logins } = await scanJson(path)
    expect(logins).toMatchObject([
      { user: 'alice', lineNumber: 1 },
      { user: 'carol', ip: '198.51.100.13', service: 'imap', time: '2026-11-22T15:19:02.193Z', lineNumber: 2 },
    ])
    expect(logins).toHaveLength(2)
  })

  it('prints one object a login with exactly these keys, in this order', async () => {
    const path = logFile('a.log', `${NOISE}\n${NOISE}\n${login('alice')}\n${NOISE}\n${login('bob', '2001:db8::7')}\n`)
    const { stdout, stderr, code } = await scanJson(path)
    const first = `{"time":"2026-11-20T10:00:00.000Z","user":"alice","ip":"198.51.100.7","service":"pop3","server":"qpopper","file":"${path}","lineNumber":3}`
    expect(stdout.split('\n')[0]).toBe(first)
    expect(JSON.parse(stdout.split('\n')[1] ?? '')).toMatchObject({ user: 'bob', ip: '2001:db8::7', lineNumber: 5 })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('takes a last line without its line end, empty files, and files without a login', async () => {
    expect((await scanJson(logFile('b.log', `${NOISE}\n${login('alice')}`))).logins).toMatchObject([{ lineNumber: 2 }])
    expect(await scanJson(logFile('empty.log', ''), logFile('none.log', NOISE))).toMatchObject({ code: 0, stdout: '' })
  })

  it('reads gzip by its content, of several members too, and standard input', async () => {
    const text = `${NOISE}\n${login('alice')}\n`
    const packed = Buffer.concat([gzipSync(text), gzipSync(text)])
    expect((await scanJson(logFile('c.log', packed))).logins).toMatchObject([{ lineNumber: 2 }, { lineNumber: 4 }])
    for (const stdin of [text, gzipSync(text)]) {
      const result = await callCli(['scan', '--json', '-'], { stdin })
      expect(JSON.parse(result.stdout)).toMatchObject({ user: 'alice', file: '-', lineNumber: 2 })
    }
  })

  it('counts lines over the bounds of its buffers, and those too long to be looked at', async () => {
    const filler = `${NOISE}\n`.repeat(60_000) // some 5 MB: several buffers
    const long = `${'x'.repeat(3 * 1024 * 1024)}\n`
    const text = `${filler}${login('alice')}\n${long}${filler}${login('bob')}\n`
    const expected = [
      { user: 'alice', lineNumber: 60_001 },
      { user: 'bob', lineNumber: 120_003 },
    ]
    expect((await scanJson(logFile('d.log', text))).logins).toMatchObject(expected)
    expect((await scanJson(logFile('d.gz', gzipSync(text)))).logins).toMatchObject(expected)
  })

  it('finds each of many logins once, wherever the buffers end', async () => {
    const count = 30_000
    const text = Array.from({ length: count }, (_, i) => `${login(`user${i}`)}\n${NOISE}${'.'.repeat(i % 97)}\n`).join(
      '',
    )
    const { logins } = await scanJson(logFile('e.log', text))
    expect(logins).toHaveLength(count)
    expect(logins.every(({ user, lineNumber }, i) => user === `user${i}` && lineNumber === 2 * i + 1)).toBe(true)
  })

  it('writes each time as it is, whatever came before it', async () => {
    const times = [
      '2026-11-20T10:00:59.999+00:00',
      '2026-11-20T10:01:00.000Z',
      '2026-11-20T10:00:07.050Z',
      '1969-12-31T23:59:58Z',
    ]
    const text = times
      .map((time) => `${time} mx popper[2]: (v4.0.5) POP login by user "al\u00e9" at (pc) 198.51.100.7\n`)
      .join('')
    const { logins } = await scanJson(logFile('times.log', text))
    const expected = times.map((time) => ({ time: new Date(time).toISOString(), user: 'al\u00e9' }))
    expect(logins.length).toBeGreaterThanOrEqual(3)
    expect(logins).toMatchObject(expected.slice(0, logins.length))
  })

  it('infers the year from the file, or takes --year', async () => {
    const path = logFile('y.log', `${login('alice', '198.51.100.7', 'Dec 31 23:59:59')}\n`)
    expect((await scanJson(path)).logins).toMatchObject([{ time: '2025-12-31T23:59:59.000Z' }])
    expect((await scanJson('--year', '2019', path)).logins).toMatchObject([{ time: '2019-12-31T23:59:59.000Z' }])
    const berlin = await callCli(['scan', '--json', '--year=2019', '--timezone', 'Europe/Berlin', path])
    expect(JSON.parse(berlin.stdout)).toMatchObject({ time: '2019-12-31T22:59:59.000Z' })
  })

  it('looks only for the servers of --format', async () => {
    const path = logFile('f.log', `${login('alice')}\n`)
    expect((await scanJson('--format', 'dovecot', path)).logins).toEqual([])
    expect((await scanJson('--format', 'dovecot,qpopper', path)).logins).toHaveLength(1)
    expect((await scanJson('--format', 'dovecot', '--format', 'qpopper', path)).logins).toHaveLength(1)
  })

  it('gives a forged line to nobody', async () => {
    const forged =
      'Nov 20 10:00:00 mx sm-mta[9]: x: arg1=<"POP login by user "admin" at (host) 203.0.113.9">, relay=evil [203.0.113.9]'
    expect((await scanJson(logFile('g.log', `${forged}\n`))).logins).toEqual([])
  })
})

describe('scan', () => {
  it('prints a line a login, escaped, and a summary on standard error', async () => {
    const path = logFile('h.log', `${login('ali\u202ece')}\n${NOISE}\n`)
    const { stdout, stderr } = await callCli(['scan', path])
    expect(stdout).toMatch(/^2026-11-20 10:00:00 {2}198\.51\.100\.7 {5}pop3 {2}qpopper {3}\S+ {2}\S+h\.log:1\n$/)
    expect(stdout).not.toContain('\u202e')
    expect(stderr).toBe('1 login in 2 lines of 1 file\n')
  })

  it('goes on past what cannot be read, says so, and ends with 3', async () => {
    const good = logFile('i.log', `${login('alice')}\n`)
    const cut = logFile('cut.gz', gzipSync(`${login('bob')}\n`.repeat(1000)).subarray(0, -20))
    mkdirSync(join(directory, 'folder'), { recursive: true })
    const { code, stdout, stderr } = await callCli([
      'scan',
      join(directory, 'none'),
      join(directory, 'folder'),
      cut,
      good,
    ])
    expect(code).toBe(3)
    expect(stdout).toContain('alice')
    expect(stderr).toMatch(/cannot read \S+none: no such file/)
    expect(stderr).toMatch(/cannot read \S+folder: it is a directory/)
    expect(stderr).toMatch(/cannot read \S+cut\.gz: the compressed data is damaged or cut off/)
    expect(stderr).toMatch(/of 1 file, 3 files not read\n$/)
  })

  it('names what unpacks a file that it cannot, and goes on', async () => {
    const magic = { xz: 'fd377a585a000004', bz2: '425a683931415926535900', zst: '28b52ffd2404' }
    const files = Object.entries(magic).map(([end, hex]) => logFile(`it's.${end}`, Buffer.from(hex, 'hex')))
    const { code, stdout, stderr } = await callCli(['scan', ...files, logFile('k.log', `${login('alice')}\n`)])
    expect(code).toBe(3)
    expect(stdout).toContain('alice')
    const quoted = (end: string) => `'${join(directory, `it'\\''s.${end}`)}' | popauthd scan -\n`
    expect(stderr).toContain(`cannot read ${files[0]}: it is compressed with xz\n  xzcat ${quoted('xz')}`)
    expect(stderr).toContain(`it is compressed with bzip2\n  bzcat ${quoted('bz2')}`)
    expect(stderr).toContain(`it is compressed with zstd\n  zstdcat ${quoted('zst')}`)
    expect(stderr).toMatch(/of 1 file, 3 files not read\n$/)
    const piped = await callCli(['scan', '-'], { stdin: Buffer.from(magic.xz, 'hex') })
    expect(piped).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/standard input: it is compressed with xz\n/),
    })
  })

  it('says what does not look like a log, and reads it all the same', async () => {
    const text = `\u0000\u0001\n${login('alice')}\n`
    const files = [logFile('l.bin', text), logFile('l.gz', gzipSync(text)), logFile('l.log', `${login('bob')}\n`)]
    const { code, stdout, stderr } = await callCli(['scan', ...files])
    expect(code).toBe(0)
    expect(stdout.match(/alice|bob/g)).toEqual(['alice', 'alice', 'bob'])
    expect(stderr.match(/\S+ does not look like a log/g)).toEqual(
      files.slice(0, 2).map((file) => `${file} does not look like a log`),
    )
    expect((await callCli(['scan', '-'], { stdin: text })).stderr).toMatch(
      /^popauthd: standard input does not look like a log: /,
    )
  })

  it('stops quietly once nobody reads', async () => {
    const path = logFile('j.log', `${login('alice')}\n`)
    const { code, stdout, stderr } = await callCli(['scan', '--json', path], { outputClosed: AbortSignal.abort() })
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})

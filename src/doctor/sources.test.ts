import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeHost, told } from './fake-host.ts'
import type { Finding } from './finding.ts'
import { sources } from './sources.ts'

const isRoot = process.getuid?.() === 0
const SYSLOG = 'Nov 22 13:35:56 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=198.51.100.7\n'
const OWN = 'Nov 22 13:35:56 imap-login: Info: Login: user=<a>, method=PLAIN, rip=198.51.100.7\n'

let directory: string
let logPath: string
let servers: Server[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
  logPath = join(directory, 'mail.log')
})
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  servers = []
  rmSync(directory, { recursive: true })
})

const look = (source: Record<string, unknown>) => sources(fakeHost(directory, { sources: [source] }))
const ofFile = () => look({ file: logPath })
const warned = (findings: readonly Finding[]) => findings.filter(({ verdict }) => verdict === 'warning')

async function listen(name: string, mode: number): Promise<string> {
  const path = join(directory, name)
  const server = createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  chmodSync(path, mode)
  return path
}

describe('a log file', () => {
  it('that a syslog daemon writes lets every local user forge a login; what to use instead comes in order', async () => {
    writeFileSync(logPath, SYSLOG, { mode: 0o640 })
    await listen('log', 0o666)
    const [rights, origin] = await ofFile()
    expect(rights).toMatchObject({ verdict: 'ok', subject: logPath, text: expect.stringContaining('0640') })
    expect(origin?.verdict).toBe('warning')
    expect(origin?.text).toMatch(/forged login line is possible.*syslog's form, of dovecot.*Every local user/)
    expect(origin?.text).toMatch(/2 accounts with a shell: ann, bob/)
    expect(origin?.mends).toEqual([expect.stringMatching(/log_path/), expect.stringMatching(/dovecot-reports\.md/)])
    mkdirSync(join(directory, 'journal', 'machine'), { recursive: true })
    const path = process.env.PATH
    try {
      writeFileSync(join(directory, 'journalctl'), '#!/bin/sh\n', { mode: 0o755 })
      process.env.PATH = directory
      expect((await ofFile())[1]?.mends[0]).toMatch(/the journal.*trusted fields.*journal: true/)
    } finally {
      process.env.PATH = path
    }
  })

  it('of the server itself is fine', async () => {
    writeFileSync(logPath, OWN.repeat(3), { mode: 0o640 })
    const findings = await ofFile()
    expect(told(findings)).toMatch(/^ok: only .*\nok: no sign that a syslog daemon writes it.*form of a server's own/)
  })

  it('that a configuration of rsyslog names is written by it, whatever it holds', async () => {
    writeFileSync(logPath, OWN)
    writeFileSync(join(directory, 'rsyslog.conf'), `mail.* -${logPath}\n`)
    expect(told(warned(await ofFile()))).toContain(`${join(directory, 'rsyslog.conf')} names it`)
  })

  it('that everybody may write to is a problem; so is a directory', async () => {
    writeFileSync(logPath, OWN)
    chmodSync(logPath, 0o666)
    expect((await ofFile())[0]).toMatchObject({
      verdict: 'problem',
      text: expect.stringMatching(/everybody on this host may write to it \(mode 0666\)/),
      mends: [`chmod o-w ${logPath}`],
    })
    chmodSync(logPath, 0o640)
    chmodSync(directory, 0o777)
    expect((await ofFile())[0]).toMatchObject({ verdict: 'problem', mends: [`chmod o-w ${directory}`] })
    chmodSync(directory, 0o1777)
    expect((await ofFile())[0]).toMatchObject({
      verdict: 'warning',
      text: expect.stringMatching(/while it is missing/),
    })
  })

  it.skipIf(!isRoot)('names the people who own it or are in its group (skipped: needs root)', async () => {
    writeFileSync(logPath, OWN)
    chownSync(logPath, 1002, 50)
    chmodSync(logPath, 0o660)
    expect(told(warned(await ofFile()))).toMatch(/^warning: bob and the members of staff \(ann, bob\) may write to it/)
    chownSync(logPath, 901, 4)
    chmodSync(logPath, 0o640)
    expect(told(await ofFile())).toMatch(/^ok: only root and its owner dovecot may write/)
  })

  it('that is missing is waited for; its directory is looked at all the same', async () => {
    expect(told(await ofFile())).toMatch(/^warning: is not there/)
    chmodSync(directory, 0o777)
    expect(told(await ofFile())).toMatch(/^problem: everybody.*\nwarning: is not there/)
  })

  it('with a date in its name is the latest', async () => {
    writeFileSync(join(directory, 'mail-20261121.log'), OWN)
    writeFileSync(join(directory, 'mail-20261122.log'), SYSLOG)
    const findings = await look({ file: join(directory, 'mail-*.log') })
    expect(findings.map(({ subject }) => subject)).toEqual(Array(2).fill(join(directory, 'mail-20261122.log')))
    expect(warned(findings)).toHaveLength(1)
  })
})

describe('the journal', () => {
  it('is decided by trusted fields, and must be there', async () => {
    expect(told(await look({ journal: true }))).toMatch(/^problem: there is no journal/)
  })
})

describe('named pipes and sockets', () => {
  it('a pipe passes on what anybody logs; who may write to it is told', async () => {
    const path = join(directory, 'pipe')
    const missing = await look({ fifo: path, mode: '0620' })
    expect(told(missing)).toMatch(/^ok: is made with mode 0620.*\nwarning: a forged login line is possible/)
    execFileSync('mkfifo', ['-m', '0622', path])
    chmodSync(path, 0o622)
    expect(told(await look({ fifo: path }))).toMatch(/^problem: has mode 0622: everybody/)
  })

  it.skipIf(!isRoot)('a socket names the members of its group (skipped: needs root)', async () => {
    const path = await listen('syslog.sock', 0o660)
    chownSync(path, 0, 50)
    const findings = await look({ syslog: { transport: 'unix', socket: path } })
    expect(findings[0]).toMatchObject({ verdict: 'ok', text: expect.stringMatching(/group staff \(ann, bob\)/) })
    expect(findings[1]?.verdict).toBe('warning')
    chmodSync(directory, 0o777)
    const open = await look({ syslog: { transport: 'unix', socket: path } })
    expect(told(open)).toMatch(/\nproblem: everybody on this host may put another socket in its place/)
  })
})

describe('receivers on the network', () => {
  it.each(['tcp', 'udp'])('%s is warned of: whoever reaches it opens the relay', async (transport) => {
    const findings = await look({ syslog: { transport, port: 5514, trust_unauthenticated: true } })
    expect(told(findings)).toMatch(new RegExp(`^warning: .*can send ${transport} to 127.0.0.1 port 5514.*any address`))
  })

  it('tls knows who sends, and not who logs there', async () => {
    const files = { certificate: '/c.pem', key: '/k.pem', client_ca: '/ca.pem', client_names: ['pop.example.net'] }
    const findings = await look({ syslog: { transport: 'tls', ...files } })
    expect(told(findings)).toMatch(
      /^ok: only senders with a client certificate .*pop\.example\.net\)\nwarning: .*sending host/,
    )
  })
})

describe('login reports', () => {
  const reports = (mode: number, text = 'a-secret-of-enough-letters\n') => {
    const secretFile = join(directory, 'secret')
    writeFileSync(secretFile, text)
    chmodSync(secretFile, mode)
    return look({ dovecot_reports: { listen: '127.0.0.1:8025', secret_file: secretFile } })
  }

  it('keep their secret', async () => {
    expect(told(await reports(0o640))).toMatch(/^ok: the secret .* is closed to others/)
    expect((await reports(0o644))[0]).toMatchObject({
      verdict: 'problem',
      mends: [expect.stringMatching(/^chmod 0640/)],
    })
    expect(told(await reports(0o640, 'short\n'))).toMatch(/^problem: .*holds no secret/)
  })

  it('on a socket tell who may write to it', async () => {
    const socket = join(directory, 'reports.sock')
    expect(told(await look({ dovecot_reports: { socket } }))).toMatch(/^ok: is made with mode 0660/)
  })
})

describe('whoson', () => {
  it('on a socket tells who may write to it, and over TLS who is heard', async () => {
    const socket = await listen('whoson.sock', 0o660)
    expect(told(await look({ whoson: { transport: 'unix', socket } }))).toMatch(/^ok: has mode 0660/)
    chmodSync(socket, 0o666)
    expect(told(await look({ whoson: { transport: 'unix', socket } }))).toMatch(/^problem: has mode 0666: everybody/)
    const files = { certificate: '/etc/mx.pem', key: '/etc/mx.key', client_ca: '/etc/ca.pem' }
    const [finding, ...more] = await look({ whoson: { transport: 'tls', ...files } })
    expect(finding?.text).toMatch(/only servers with a client certificate .*every certificate of client_ca/)
    expect(more).toEqual([])
  })
})

it('says where there is nothing to follow', async () => {
  const sourceProblem = { text: 'there is no mail log', mend: 'name it', denied: false }
  expect(await sources(fakeHost(directory, {}, { sourceProblem }))).toMatchObject([
    { verdict: 'problem', mends: ['name it'] },
  ])
  const denied = { ...sourceProblem, denied: true }
  expect(await sources(fakeHost(directory, {}, { sourceProblem: denied }))).toMatchObject([{ verdict: 'unknown' }])
})

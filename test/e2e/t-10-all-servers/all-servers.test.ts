// Every POP3 and IMAP server that Debian packages: of what it logs, true clients get in, with address and service, and nobody else.
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Login, Logout } from '../../../src/core/login.ts'
import { parsers } from '../../../src/parsers/index.ts'
import { LoginScanner } from '../../../src/parsers/scanner.ts'
import type { DovecotServer } from '../../support/dovecot.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability, labRequired } from '../../support/lab-availability.ts'
import { curlLogin, fetchmailLogin, mpopLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { sayLines } from '../../support/raw-dialogue.ts'
import { ensureRoot } from '../../support/roots.ts'
import { type RsyslogServer, startRsyslog } from '../../support/rsyslog.ts'
import { SYSTEM_USERS } from '../../support/system-users.ts'
import { waitForLine } from '../../support/wait-for.ts'
import {
  FORGED_NAMES,
  NOT_PACKAGED,
  SERVERS,
  type ServerCase,
  startBackend,
  TRIED_ELSEWHERE,
  type Way,
  WITHOUT_PARSER,
} from './servers.ts'

const unavailable = labAvailability()
const ATTACKER = '203.0.113.9'

/** A login as `scan --json` prints it, less time and place. */
interface Found {
  readonly user: string
  readonly ip: string
  readonly service: string
  readonly server: string
}

describe.skipIf(unavailable)(`all servers of Debian${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let rsyslog: RsyslogServer
  let backend: DovecotServer
  let popauthd: Popauthd
  let attacker: LabHost
  let clients = 0
  /** The true logins of all servers so far, which syslog has told, and those that a file tells. */
  const trueLogins: Found[] = []
  const ownLogs = new Map<string, Found[]>()

  beforeAll(async () => {
    lab = await openLab()
    rsyslog = await startRsyslog(lab)
    backend = await startBackend(lab)
    attacker = await lab.addClient(ATTACKER)
    const logs = [rsyslog.isoLog, `${lab.shared}/log/nginx-error.log`, `${lab.shared}/log/perdition.log`]
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs })
    await popauthd.start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it.for(SERVERS)('$name', async (server, { skip }) => {
    const obstacle = await rootObstacle(server)
    if (obstacle !== undefined) skip(obstacle)
    const ownLog = await server.start(lab, backend)
    await attack(server)
    const found: Found[] = []
    for (const way of server.ways) found.push(await logIn(server, way))
    const log = ownLog ?? rsyslog.isoLog
    await waitForLine(log, server.told)
    if (server.loggedIn !== undefined) await waitForLine(log, server.loggedIn)
    if (ownLog !== undefined) ownLogs.set(ownLog, server.server === undefined ? [] : found)
    if (server.server === undefined) return
    for (const { ip, service } of found) await popauthd.event('login', { ip, service, server: server.server })
    trueLogins.push(...found)
  })

  for (const { id, title } of parsers) {
    const isTried = SERVERS.some(({ server }) => server === id) || TRIED_ELSEWHERE.includes(id)
    if (!isTried) it.skip(`${title} (skipped: ${NOT_PACKAGED})`)
  }
  for (const title of WITHOUT_PARSER) it.skip(`${title} (skipped: ${NOT_PACKAGED})`)

  it('opens the relay to the true clients and to nobody else', async () => {
    const entries = await popauthd.ask<{ address: string; users: string[]; services: string[] }[]>('list')
    const open = entries.map(({ address, users, services }) => ({ ip: address, users, services }))
    const expected = trueLogins.map(({ ip, user, service }) => ({ ip, users: [user], services: [service] }))
    expect(open.sort(byAddress)).toEqual(expected.sort(byAddress))
  })

  it.each(['traditionalLog', 'isoLog', 'rfc5424Log'] as const)('reads the same logins from %s', async (form) => {
    // RFC 5424 cuts the tag of Cyrus at the slash.
    const isCut = ({ server }: Found) => form === 'rfc5424Log' && server === 'cyrus'
    const expected = trueLogins.map((login) => (isCut(login) ? { ...login, service: 'any' } : login))
    expect(expected).not.toEqual([])
    expect(await scan(rsyslog[form])).toEqual(expected.sort(byAddress))
  })

  it("reads the servers' own files", async () => {
    expect(ownLogs.size).toBeGreaterThan(0)
    for (const [path, logins] of ownLogs) expect(await scan(path), path).toEqual([...logins].sort(byAddress))
  })

  it('recognizes the end of each session', async () => {
    const tellers = SERVERS.filter(({ logouts }) => logouts).map(({ server }) => server)
    const ends = trueLogins
      .filter(({ server }) => tellers.includes(server))
      .map(({ user, ip, server }) => ({ user, ip, server }))
    const { logins, logouts } = scanSessions(await readFile(rsyslog.isoLog))
    const told = logouts.map(({ server, user, address, session }) => {
      const at = logins.findIndex(
        (login) =>
          login.server === server && (session === undefined ? login.address === address : login.session === session),
      )
      const [login] = logins.splice(at, at < 0 ? 0 : 1)
      return { user, ip: login?.address ?? '', server }
    })
    expect(told.sort(byAddress)).toEqual(ends.sort(byAddress))
  })

  async function logIn(server: ServerCase, way: Way): Promise<Found> {
    clients += 1
    const ip = way.family === 4 ? `198.51.100.${clients}` : `2001:db8:2::${clients.toString(16)}`
    const client = await lab.addClient(ip)
    // Nobody logs in from more than ten addresses, which is the limit.
    const user = SYSTEM_USERS[clients % SYSTEM_USERS.length] ?? ''
    const { protocol, port, tls } = way
    const login = { curl: curlLogin, mpop: mpopLogin, fetchmail: fetchmailLogin }[way.program]
    const answer = await login(lab, client, { user, protocol, port, ...(tls ? { tls } : {}) })
    // fetchmail tells 1 where it has logged in and found no mail.
    expect(answer.code, `${JSON.stringify(way)}: ${answer.stdout}${answer.stderr}`).toBe(
      way.program === 'fetchmail' ? 1 : 0,
    )
    return { user, ip, service: protocol, server: server.server ?? '' }
  }

  async function attack(server: ServerCase): Promise<void> {
    const ports = new Map(server.ways.filter(({ tls }) => !tls).map(({ protocol, port }) => [protocol, port]))
    const attacks = [...ports].flatMap(([protocol, port]) => {
      const wrong = curlLogin(lab, attacker, { protocol, port, user: 'bob', password: 'wrong' })
      const forged = FORGED_NAMES.map((name) => sayLines(attacker, port, attempt(protocol, name)))
      return [wrong.then(({ code }) => expect(code).toBe(67)), ...forged]
    })
    await Promise.all(attacks)
  }

  async function scan(path: string): Promise<Found[]> {
    const { code, stdout, stderr } = await popauthd.cli('scan', '--json', '--timezone', 'UTC', path)
    expect(code, stderr).toBe(0)
    const logins = stdout.split('\n').filter(Boolean)
    return logins
      .map((line) => JSON.parse(line) as Found)
      .map(({ user, ip, service, server }) => ({ user, ip, service, server }))
      .sort(byAddress)
  }
})

/** Why the root of a server cannot be had here; an error where nothing may be skipped. */
async function rootObstacle({ root }: ServerCase): Promise<string | undefined> {
  try {
    await ensureRoot(root)
    return undefined
  } catch (error) {
    if (labRequired()) throw error
    return error instanceof Error ? error.message : String(error)
  }
}

function scanSessions(log: Buffer): { logins: Login[]; logouts: Logout[] } {
  const [logins, logouts] = [[] as Login[], [] as Logout[]]
  const scanner = new LoginScanner({ parsers, timezone: 'UTC', logouts: true })
  scanner.scan(
    log,
    { format: 'lines', newestMs: Date.now() },
    {
      login: (login) => void logins.push(login),
      logout: (logout) => void logouts.push(logout),
      rejected: () => {},
    },
  )
  return { logins, logouts }
}

function byAddress(one: { readonly ip: string }, other: { readonly ip: string }): number {
  return one.ip < other.ip ? -1 : one.ip > other.ip ? 1 : 0
}

function attempt(protocol: 'pop3' | 'imap', name: string): string[] {
  return protocol === 'pop3' ? [`USER ${name}`, 'PASS wrong', 'QUIT'] : [`a LOGIN "${name}" "wrong"`, 'b LOGOUT']
}

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
/** rsyslog writes its files one after the other, and a server the end of a session after its client is gone. */
const POLLING = { timeout: 10_000, interval: 100 }
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
    // The few users of the laboratory log in from many more addresses than users do.
    const config = { admission: { addresses_per_user: 1000 } }
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs, config })
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
    if (server.server !== undefined) trueLogins.push(...found)
    if (ownLog !== undefined) ownLogs.set(ownLog, server.server === undefined ? [] : found)
    await attackAlone(server)
    const log = ownLog ?? rsyslog.isoLog
    for (const pattern of [...server.told, ...(server.loggedIn ?? [])]) await waitForLine(log, pattern)
    if (server.server === undefined) return
    for (const { ip, service } of found) await popauthd.event('login', { ip, service, server: server.server })
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
    await expect.poll(() => scan(rsyslog[form]), POLLING).toEqual(expected.sort(byAddress))
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
    const told = async () => {
      const { logins, logouts } = scanSessions(await readFile(rsyslog.isoLog))
      const pairs = logouts.map((logout) => ({ ...logout, address: takeLogin(logins, logout)?.address ?? '' }))
      return pairs.map(({ user, address, server }) => ({ user, ip: address, server })).sort(byAddress)
    }
    await expect.poll(told, POLLING).toEqual(ends.sort(byAddress))
  })

  async function logIn(server: ServerCase, way: Way): Promise<Found> {
    clients += 1
    const ip = way.family === 4 ? `198.51.100.${clients}` : `2001:db8:2::${clients.toString(16)}`
    const client = await lab.addClient(ip)
    const user = SYSTEM_USERS[clients % SYSTEM_USERS.length] ?? ''
    const { protocol, port, tls = 'none' } = way
    const login = { curl: curlLogin, mpop: mpopLogin, fetchmail: fetchmailLogin }[way.program]
    const answer = await login(lab, client, { user, protocol, port, tls })
    // fetchmail tells 1 where it has logged in and found no mail.
    expect(answer.code, `${JSON.stringify(way)}: ${answer.stdout}${answer.stderr}`).toBe(
      way.program === 'fetchmail' ? 1 : 0,
    )
    return { user, ip, service: protocol, server: server.server ?? '' }
  }

  async function attack(server: ServerCase): Promise<void> {
    const attacks = [...openPorts(server)].flatMap(([protocol, port]) => [
      refusedByPassword(protocol, port),
      ...FORGED_NAMES.map((name) => refusedByName(protocol, port, name)),
    ])
    await Promise.all(attacks)
  }

  /** Comes after the logins: where a line is cut, logins at once behind it count for nothing. */
  async function attackAlone(server: ServerCase): Promise<void> {
    for (const name of server.forgedNames ?? []) {
      await Promise.all([...openPorts(server)].map(([protocol, port]) => refusedByName(protocol, port, name)))
    }
  }

  async function refusedByPassword(protocol: Way['protocol'], port: number): Promise<void> {
    const { code } = await curlLogin(lab, attacker, { protocol, port, user: 'bob', password: 'wrong' })
    expect(code).toBe(67)
  }

  async function refusedByName(protocol: Way['protocol'], port: number, name: string): Promise<void> {
    const attempt =
      protocol === 'pop3' ? [`USER ${name}`, 'PASS wrong', 'QUIT'] : [`a LOGIN "${name}" "wrong"`, 'b LOGOUT']
    const answers = await sayLines(attacker, port, attempt)
    expect(answers, `the server does not greet ${name}`).toMatch(/^(?:\+|\*) ?OK/)
    expect(answers).not.toMatch(/^a OK/m)
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

/** The ports for protocols in plain text. */
function openPorts({ ways }: ServerCase): Map<Way['protocol'], number> {
  return new Map(ways.filter(({ tls }) => tls === undefined).map(({ protocol, port }) => [protocol, port]))
}

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

/** Takes the login that this is the end of out of the list: the same session, or else the same address. */
function takeLogin(logins: Login[], { server, session, address }: Logout): Login | undefined {
  const isOfIt = (login: Login) => (session === undefined ? login.address === address : login.session === session)
  const at = logins.findIndex((login) => login.server === server && isOfIt(login))
  return at < 0 ? undefined : logins.splice(at, 1)[0]
}

function byAddress(one: { readonly ip: string }, other: { readonly ip: string }): number {
  return one.ip < other.ip ? -1 : one.ip > other.ip ? 1 : 0
}

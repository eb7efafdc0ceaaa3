// Real servers and real users log to a live journald: what the kernel says of the senders decides, as popauthd follows.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChrootProcess, pivoted } from '../../support/chroot-process.ts'
import { startDovecot } from '../../support/dovecot.ts'
import { TestJournal } from '../../support/journal.ts'
import { LiveJournald, unitObstacle } from '../../support/journald.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability, labRequired } from '../../support/lab-availability.ts'
import { curlLogin } from '../../support/mail-clients.ts'
import type { LabHost } from '../../support/netns.ts'
import { startPopa3d } from '../../support/popa3d.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { mustRun } from '../../support/run.ts'
import { dovecotText } from './entries.ts'

const unavailable = labAvailability() ?? unitObstacle()
if (unavailable !== undefined && labRequired()) throw new Error(`journald cannot be tested here: ${unavailable}`)

const SESSION = 'user-1003.slice/session-3.scope'
const USERS_OWN = 'user-1003.slice/user@1003.service/app.slice/dovecot.service'
const AS_USER = ['setpriv', '--reuid=1003', '--regid=1003', '--clear-groups']
/**
 * Sends lines from the very process that then becomes another program, and is held there by its parent (PTRACE_TRACEME): so journald, whenever
 * it looks, sees that one as the sender.
 */
const SEND_AND_BECOME = `use Socket;
my ($number, $program, @lines) = @ARGV;
my $child = fork();
if ($child) { waitpid($child, 2); $| = 1; print "held\n"; <STDIN>; exit }
syscall($number, 0, 0, 0, 0) == 0 or die "ptrace: $!";
socket(S, AF_UNIX, SOCK_DGRAM, 0) or die;
for (@lines) { send(S, "<22>popa3d[$$]: $_", 0, pack_sockaddr_un('/dev/log')) or die "send: $!" }
exec $program or die`
const PTRACE: Readonly<Record<string, string>> = { x64: '101', arm64: '117' }

describe.skipIf(unavailable)(`a live journald${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let journald: LiveJournald
  let journal: TestJournal
  let popauthd: Popauthd
  let dovecot: ChrootProcess
  let clients: LabHost

  beforeAll(async () => {
    lab = await openLab()
    clients = await lab.addClient('198.51.100.7', '198.51.100.8', '198.51.100.9', '198.51.100.10')
    journal = await TestJournal.open(lab, 'live')
    journald = await LiveJournald.start(lab, journal)
    dovecot = await startDovecot(lab, { pop3Port: 1110, by: await journald.startsIn('system.slice/dovecot.service') })
    await startPopa3d(lab, await journald.startsIn('system.slice/popa3d.service'))
    const config = { window_seconds: 600, sources: [{ journal: true }] }
    popauthd = new Popauthd({ directory: join(lab.shared, 'popauthd'), logs: [], config })
    await start()
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await dovecot?.kill()
    await journald?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  const start = () => popauthd.start({ wrapper: ['env', `PATH=${journal.bin}:${process.env.PATH}`] })
  const opened = (address: string) => popauthd.event('authorization granted', { ip: address })

  async function login(from: string, port: number, protocol: 'pop3' | 'imap'): Promise<void> {
    const { code, stderr } = await curlLogin(lab, clients, { from, port, protocol })
    expect(code, stderr).toBe(0)
  }

  /** Runs a program of the journal's root in a unit, as the user 1003. */
  async function asUser(unit: string, program: readonly string[], input = ''): Promise<void> {
    const inRoot = ['chroot', journal.root.path, ...AS_USER, ...program]
    const [file = '', ...args] = await journald.within(unit, inRoot)
    await mustRun(file, args, { input })
  }

  it('opens for a login to Dovecot, whose log process is root in its service', async () => {
    await login('198.51.100.7', 143, 'imap')
    await opened('198.51.100.7')
    expect((await journald.entries('rip=198.51.100.7')).at(-1)).toMatchObject({
      _TRANSPORT: 'syslog',
      _UID: '0',
      _EXE: '/usr/lib/dovecot/log',
      _SYSTEMD_UNIT: 'dovecot.service',
    })
  })

  it('opens for a login to popa3d', async () => {
    await login('198.51.100.8', 110, 'pop3')
    await opened('198.51.100.8')
    expect((await journald.entries('Authentication passed for')).at(-1)).toMatchObject({
      _EXE: '/usr/sbin/popa3d',
      _SYSTEMD_UNIT: 'popa3d.service',
    })
  })

  it.each([
    ['logger', SESSION, ['logger', '-u', '/run/systemd/journal/dev-log', '-p', 'mail.info', '-t', 'dovecot'], 1],
    ['systemd-cat', SESSION, ['systemd-cat', '-t', 'dovecot', 'sh', '-c', 'echo "$0"; sleep 0.3'], 2],
    [
      'systemd-cat in a service of his own',
      USERS_OWN,
      ['systemd-cat', '-t', 'dovecot', 'sh', '-c', 'echo "$0"; sleep 0.3'],
      3,
    ],
  ])('opens for no user who writes by %s', async (_, unit, program, number) => {
    const address = `203.0.113.${number}`
    await asUser(unit, [...program, dovecotText(address)])
    const entry = await journald.entry(`rip=${address}`)
    expect(entry).toMatchObject({ SYSLOG_IDENTIFIER: 'dovecot', _UID: '1003' })
    await behind()
    expect(await popauthd.openAddresses()).not.toContain(address)
  })

  it('opens for no user who says by the protocol of journald itself to be the server', async () => {
    const fields = {
      MESSAGE: dovecotText('203.0.113.4'),
      SYSLOG_IDENTIFIER: 'dovecot',
      _UID: '0',
      _EXE: '/usr/lib/dovecot/log',
      _SYSTEMD_UNIT: 'dovecot.service',
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}=${value}\n`)
    await asUser(SESSION, ['logger', '--journald'], lines.join(''))
    const entry = await journald.entry('rip=203.0.113.4')
    expect(entry).toMatchObject({ _UID: '1003' })
    expect(entry._SYSTEMD_UNIT).not.toBe('dovecot.service')
    await behind()
    expect(await popauthd.openAddresses()).not.toContain('203.0.113.4')
  })

  const noNumber = PTRACE[process.arch] === undefined ? ` (skipped: the number of ptrace on ${process.arch})` : ''
  it.skipIf(noNumber !== '')(
    `opens for no user who writes a line and then becomes the true server${noNumber}`,
    async () => {
      const root = await lab.root('popa3d')
      const lines = ['Session from 203.0.113.5', 'Authentication passed for mallory']
      const perl = ['perl', '-e', SEND_AND_BECOME, String(PTRACE[process.arch]), '/usr/sbin/popa3d', ...lines]
      const [file = '', ...args] = await journald.within(SESSION, pivoted(root.path, [...AS_USER, ...perl]))
      let attacker: ChildProcess | undefined
      await journald.whileStopped(async () => {
        attacker = await held(file, args)
      })
      const entry = await journald.entry('Session from 203.0.113.5')
      expect(entry).toMatchObject({ _UID: '1003', _EXE: '/usr/sbin/popa3d', _SYSTEMD_UNIT: 'session-3.scope' })
      await behind()
      attacker?.kill('SIGKILL')
      expect(await popauthd.openAddresses()).not.toContain('203.0.113.5')
      expect((await popauthd.cli('status')).stdout).toContain(
        'in session-3.scope, which is no service of a mail server',
      )
    },
  )

  it("opens for no user who runs the server's own logger", async () => {
    const root = await lab.root('courier')
    const line = 'LOGIN, user=mallory, ip=[::ffff:203.0.113.6], port=[50111], protocol=IMAP'
    const logger = [...AS_USER, 'sh', '-c', `(echo '${line}'; sleep 1) | courierlogger -name=imapd -facility=mail`]
    const [file = '', ...args] = await journald.within(SESSION, pivoted(root.path, logger))
    await mustRun(file, args)
    const entry = await journald.entry('203.0.113.6')
    expect(entry).toMatchObject({ _UID: '1003', _EXE: '/usr/sbin/courierlogger', SYSLOG_IDENTIFIER: 'imapd' })
    await behind()
    expect(await popauthd.openAddresses()).not.toContain('203.0.113.6')
  })

  /** Starts a program and waits for its first words. */
  async function held(file: string, args: readonly string[]): Promise<ChildProcess> {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.stderr.on('data', (bytes: Buffer) => {
        said += bytes.toString()
      })
      child.stdout.once('data', () => resolve())
      child.once('exit', () => reject(new Error(`it ended: ${said}`)))
    })
    return child
  }

  it('goes on through rotations of journald, its death and that of popauthd, and takes nothing twice', async () => {
    journald.signal('SIGUSR2')
    await login('198.51.100.9', 143, 'imap')
    await opened('198.51.100.9')
    await popauthd.kill()
    journald.signal('SIGUSR2')
    await login('198.51.100.10', 1110, 'pop3')
    await journald.entry('rip=198.51.100.10,')
    await journald.kill()
    await journald.run()
    await start()
    await opened('198.51.100.10')
    expect(popauthd.events.filter(({ msg }) => msg === 'login').map(({ ip }) => ip)).toEqual(['198.51.100.10'])
  })

  /** Returns when popauthd has read all that was written before: a login of its own tells. */
  let number = 100
  async function behind(): Promise<void> {
    const address = `198.51.100.${++number}`
    const client = await lab.addClient(address)
    const { code } = await curlLogin(lab, client, { from: address, port: 143, protocol: 'imap' })
    expect(code).toBe(0)
    await opened(address)
  }
})

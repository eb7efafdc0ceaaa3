/** Under a service manager: real notifications, and a lookup socket that outlives the daemon, held by a supervisor as systemd holds it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PROGRAM, qpopperLine } from '../support/popauthd.ts'

const hasNotify = spawnSync('systemd-notify', ['--version']).status === 0
const hasPerl = spawnSync('perl', ['-e', '1']).status === 0

/** Binds SOCKET as descriptor 3, gives it to the program, and starts that again when it was killed, once. Notes its process ids. */
const SUPERVISOR = `
use strict; use Socket; use Fcntl; use POSIX;
my ($path, $pids, @command) = @ARGV;
socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die; bind($socket, pack_sockaddr_un($path)) or die; listen($socket, 16) or die;
POSIX::dup2(fileno($socket), 3) == 3 or die;
open(my $three, '+<&=', 3) or die;
for (1, 2) {
  my $pid = fork;
  if ($pid == 0) {
    @ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, 1, 'socketmap');
    fcntl($three, F_SETFD, 0); exec @command or die;
  }
  open(my $file, '>', $pids) or die; print $file $pid; close $file;
  $SIG{TERM} = sub { kill 'TERM', $pid };
  1 while waitpid($pid, 0) < 0;
  last if ($? & 127) != 9;
}`

/** Keeps what comes to a datagram socket, a message a line. */
const RECEIVER = `
use strict; use Socket; $| = 1;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die; bind($socket, pack_sockaddr_un($ARGV[0])) or die; print "bound\\n";
while (defined recv($socket, my $text, 4096, 0)) { $text =~ s/\\n/|/g; print "$text\\n" }`

let folder: string
let running: ReturnType<typeof spawn>[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'popauthd-manager-'))
  writeFileSync(join(folder, 'mail.log'), `${qpopperLine('alice', '198.51.100.7')}\n`)
  writeFileSync(
    join(folder, 'popauthd.yaml'),
    `state_directory: ${folder}/state\ncontrol:\n  socket: ${folder}/control.sock\nsocketmap:\n  socket: ${folder}/lookup.sock\n`,
  )
})
afterEach(async () => {
  for (const child of running) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.signalCode === null && child.kill()) await ended
  }
  running = []
  rmSync(folder, { recursive: true })
})

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] })
  running.push(child)
  return child
}

const daemon = () => [
  process.execPath,
  PROGRAM,
  '--config',
  join(folder, 'popauthd.yaml'),
  'run',
  '--log',
  join(folder, 'mail.log'),
]

/** One lookup on a new connection; it waits for as long as it takes. */
function lookUp(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = `popauth connect:${address}`
    const socket = createConnection(join(folder, 'lookup.sock'), () => socket.write(`${request.length}:${request},`))
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString())
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
  })
}

async function until<T>(check: () => Promise<T> | T, wanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await check()
    if (wanted(value)) return value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

it.skipIf(!hasPerl)('lookups wait while the daemon is killed and comes back (skipped without perl)', async () => {
  const pids = join(folder, 'pids')
  start('perl', ['-e', SUPERVISOR, join(folder, 'lookup.sock'), pids, ...daemon()])
  await until(
    () => lookUp('198.51.100.7').catch(() => ''),
    (answer) => answer === '8:OK RELAY,',
  )
  process.kill(Number(readFileSync(pids, 'utf8')), 'SIGKILL')
  const answers = await Promise.all(['198.51.100.7', '198.51.100.8'].map((address) => lookUp(address).catch(String)))
  // A lookup that the killed daemon had already taken is lost; those that come when it is gone wait for the next one.
  const again = await lookUp('198.51.100.7')
  expect(again).toBe('8:OK RELAY,')
  for (const answer of answers) expect(answer).not.toContain('ECONNREFUSED')
})

it.skipIf(!hasNotify || !hasPerl)(
  'tells when it is ready and when it ends (skipped without systemd-notify)',
  async () => {
    const socket = join(folder, 'notify.sock')
    let heard = ''
    const receiver = start('perl', ['-e', RECEIVER, socket])
    receiver.stdout?.on('data', (data) => {
      heard += data
    })
    await until(
      () => heard,
      (text) => text.includes('bound'),
    )
    const [command = '', ...args] = daemon()
    const child = start(command, args, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' })
    await until(
      () => heard,
      (text) => text.includes('READY=1') && text.includes('WATCHDOG=1'),
    )
    expect(heard).toContain(`STATUS=reading ${join(folder, 'mail.log')}`)
    expect(heard).toContain(`STATUS=following ${join(folder, 'mail.log')}`)
    await until(
      () => heard,
      (text) => text.includes(`STATUS=1 client may relay; following ${join(folder, 'mail.log')}`),
    )
    child.kill('SIGTERM')
    await until(
      () => heard,
      (text) => text.includes('STOPPING=1'),
    )
  },
)

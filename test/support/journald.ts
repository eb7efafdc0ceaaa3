// A systemd-journald of the test's own, alive: servers of the laboratory log to it, and the kernel tells it who they are and in which unit.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { access, mkdir, readdir, readFile, rmdir, symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pivoted } from './chroot-process.ts'
import type { TestJournal } from './journal.ts'
import type { Lab } from './lab.ts'
import { mustRun } from './run.ts'
import { waitFor } from './wait-for.ts'

// In the host's namespace of processes: a sender in none that journald can see has no process id there, and so no trusted fields.
const IN_ROOT =
  'mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && exec chroot "$0" /lib/systemd/systemd-journald'

/** Why units cannot be made here, or undefined where they can: journald reads them off the control group of a process. */
export function unitObstacle(): string | undefined {
  const place = controlGroups()
  if (place === undefined) return 'no unified hierarchy of control groups is mounted'
  if (!existsSync('/etc/machine-id')) return 'this host has no /etc/machine-id (systemd-machine-id-setup makes one)'
  const options = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, point]) => point === place)?.[3]
  return options?.split(',').includes('rw') ? undefined : `${place} is mounted read-only`
}

/** Where control groups of version 2 are mounted: by itself, or beside those of version 1. */
function controlGroups(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const points = mounts.map((line) => line.split(' ')).filter(([, , type]) => type === 'cgroup2')
  const places = points.map(([, point]) => point)
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((place) => places.includes(place))
}

/** The running journald and the units that were made for it. Disposing ends it, and what still runs in the units. */
export class LiveJournald implements AsyncDisposable {
  readonly #journal: TestJournal
  readonly #slice: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(journal: TestJournal, slice: string) {
    this.#journal = journal
    this.#slice = slice
  }

  /** Starts it in the root of `journal`; `/dev/log` of every other root leads to it. */
  static async start(lab: Lab, journal: TestJournal): Promise<LiveJournald> {
    const sockets = `${lab.shared}/run/journal`
    await mkdir(sockets, { mode: 0o755 })
    await mkdir(`${journal.root.path}/run/systemd/journal`, { recursive: true })
    await mustRun('mount', ['--bind', sockets, `${journal.root.path}/run/systemd/journal`])
    await symlink(`${sockets}/dev-log`, `${lab.shared}/run/dev-log`)
    // No limit of messages: the tests of one file are one sender.
    await journal.root.write('/etc/systemd/journald.conf', '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n')
    const journald = new LiveJournald(journal, `${controlGroups()}/pat${process.pid}.slice`)
    await journald.run()
    return journald
  }

  /** Starts it, again after a {@link kill}. */
  async run(): Promise<void> {
    const socket = `${this.#journal.root.path}/run/systemd/journal/dev-log`
    const child = spawn('unshare', ['--mount', 'sh', '-c', IN_ROOT, this.#journal.root.path], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        this.#output += bytes.toString()
      })
    this.#child = child
    await waitFor('the socket of journald', async () => {
      if (child.exitCode !== null) throw new Error(`journald ended: ${this.#output}`)
      return access(socket).then(
        () => true,
        () => undefined,
      )
    })
    await waitFor('an entry of journald', async () =>
      (await this.#journal.root.tryExec(['journalctl', '-q', '-n1'])).stdout === '' ? undefined : true,
    )
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Stops it in its tracks until `meanwhile` is over: what is sent meanwhile it sees later, as the senders are by then. */
  async whileStopped(meanwhile: () => Promise<void>): Promise<void> {
    this.signal('SIGSTOP')
    try {
      await meanwhile()
    } finally {
      this.signal('SIGCONT')
    }
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** The control group that journald takes for this unit, for instance `user-1003.slice/session-3.scope`. */
  async unit(path: string): Promise<string> {
    const directory = join(this.#slice, path)
    await mkdir(directory, { recursive: true })
    return directory
  }

  /**
   * How `startInRoot` starts a server that is in a unit from its first instant, as systemd's are: journald remembers for a second what it saw
   * of a process. The host's control groups are out of sight there (`ip netns exec` mounts a /sys of its own), so they are mounted again.
   */
  async startsIn(path: string): Promise<(root: string, commandLine: readonly string[]) => string[]> {
    const group = relative(controlGroups() ?? '', await this.unit(path))
    const enter = 'mount -t cgroup2 none /mnt && echo $$ >"/mnt/$0/cgroup.procs" && umount /mnt && exec "$@"'
    return (root, commandLine) => ['sh', '-c', enter, group, ...pivoted(root, commandLine)]
  }

  /** The command line that runs another one in a unit. */
  async within(path: string, commandLine: readonly string[]): Promise<string[]> {
    const group = join(await this.unit(path), 'cgroup.procs')
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', group, ...commandLine]
  }

  /** The entries that hold `text`, with all their fields. */
  async entries(text: string): Promise<Record<string, unknown>[]> {
    const { stdout } = await this.#journal.root.tryExec(['journalctl', '-o', 'json', '-q', '--no-pager', '--all'])
    const all = stdout.split('\n').filter(Boolean)
    return all
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ MESSAGE }) => `${MESSAGE}`.includes(text))
  }

  /** Waits for an entry that holds `text`; the first of them. */
  entry(text: string): Promise<Record<string, unknown>> {
    return waitFor(`an entry with ${text}`, async () => (await this.entries(text))[0])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await removeGroup(this.#slice)
  }
}

/** Ends what runs there, then removes the groups, the innermost first. */
async function removeGroup(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await removeGroup(join(directory, entry.name))
  const pids = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '')
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // it has ended by itself
    }
  }
  await waitFor(`the end of ${directory}`, () =>
    rmdir(directory).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? true : undefined),
    ),
  )
}

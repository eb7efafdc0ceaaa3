// Runs one program inside a laboratory root and a host's network namespace, in a process namespace of its own,
// so that killing it takes everything that it started along.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { inHost, type LabHost } from './netns.ts'

/** A server running in the foreground. Disposing kills it and its whole tree, and resolves when that is done. */
export interface ChrootProcess extends AsyncDisposable {
  /** What it has written to standard output and standard error so far, in the order of arrival. */
  output(): string
  /** True until the program has ended by itself or was killed. */
  running(): boolean
  /** Its process id as the host sees it. @throws {Error} when it has ended. */
  pid(): Promise<number>
  /** Sends a signal to the program itself, for instance SIGHUP. It is process 1 there: signals it does not handle do nothing. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Kills the tree with SIGKILL. */
  kill(): Promise<void>
}

/** Starts `commandLine` (paths as seen inside the root) as root in the namespace of `host`. `by`: how the root is entered. */
export function startInRoot(
  root: string,
  host: LabHost,
  commandLine: readonly string[],
  by: (root: string, commandLine: readonly string[]) => string[] = isolated,
): ChrootProcess {
  const child = spawn('ip', inHost(host, by(root, commandLine)), { stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => chunks.push(Buffer.from(String(error))))
  const kill = async () => {
    if (isRunning(child)) await killTree(child)
    if (child.pid !== undefined) await ended
  }
  return {
    output: () => Buffer.concat(chunks).toString('utf8'),
    running: () => isRunning(child),
    pid: () => innerPid(child),
    signal: async (signal) => void process.kill(await innerPid(child), signal),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

/** The command line that enters a root: private mounts and processes, /proc of its own, killed together with its parent. */
export function isolated(root: string, commandLine: readonly string[]): string[] {
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', `--mount-proc=${root}/proc`]
  return [...unshare, '--', 'chroot', root, ...commandLine]
}

/**
 * As {@link isolated}, but the root is the root of the namespace itself: a process outside sees its program as `/usr/sbin/popa3d`, and not
 * under the place where the laboratory has mounted the root.
 */
export function pivoted(root: string, commandLine: readonly string[]): string[] {
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', `--mount-proc=${root}/proc`]
  return [
    ...unshare,
    '--',
    'sh',
    '-c',
    'cd "$0" && pivot_root . . && umount --lazy . && exec "$@"',
    root,
    ...commandLine,
  ]
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined
}

// Killing process 1 of the namespace ends all others in it. Its parent alone would not do: --kill-child is void for a program
// that changes its user, as sendmail does.
async function killTree(child: ChildProcess): Promise<void> {
  const inner = await innerPid(child).catch(() => undefined)
  if (inner !== undefined) process.kill(inner, 'SIGKILL')
  else child.kill('SIGKILL')
}

async function innerPid(child: ChildProcess): Promise<number> {
  if (!isRunning(child)) throw new Error('the program has ended')
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  const pid = Number(children.trim().split(' ')[0])
  if (!Number.isInteger(pid) || pid <= 0) throw new Error('the program has not been started yet')
  return pid
}

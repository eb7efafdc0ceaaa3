// A writable view of a cached root for one test: an overlay whose changes vanish with the laboratory.
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import { ensureRoot, type RootName } from './roots.ts'
import { mustRun, type RunOptions, type RunResult, run } from './run.ts'

/** The fully qualified name of the laboratory's mail host. */
export const MAIL_HOST = 'mx.example.net'

/** A root that may be changed. It lives as long as the laboratory that mounted it. */
export interface OverlayRoot {
  /** Where it is mounted on the host. */
  readonly path: string
  /** Writes a file given by its path inside the root, with its directories. */
  write(path: string, content: string, mode?: number): Promise<void>
  /** Runs a program of the root to its end, in the host's network namespace. @throws {Error} when it exits with other than 0. */
  exec(commandLine: readonly string[], options?: RunOptions): Promise<string>
  /** The same, but any exit code is an answer. */
  tryExec(commandLine: readonly string[], options?: RunOptions): Promise<RunResult>
  /** The number of a group, for programs that run on the host. @throws {Error} where the root has no such group */
  groupId(name: string): Promise<string>
}

/**
 * Mounts an overlay of the root `name` below `directory` (which is on a tmpfs, so that this also works inside containers)
 * and binds `shared` into it under the same path, so that a path in there means the same inside and outside.
 */
export async function mountOverlay(name: RootName, directory: string, shared: string): Promise<OverlayRoot> {
  const lower = await ensureRoot(name)
  const [upper, work, path] = [`${directory}/upper`, `${directory}/work`, `${directory}/root`] as const
  for (const part of [upper, work, path]) await mkdir(part, { recursive: true, mode: 0o755 })
  await mustRun('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
    path,
  ])
  await mkdir(path + shared, { recursive: true, mode: 0o755 })
  await mustRun('mount', ['--bind', shared, path + shared])
  const root = overlayRoot(path)
  await prepare(root, shared)
  return root
}

function overlayRoot(path: string): OverlayRoot {
  const tryExec = (commandLine: readonly string[], options?: RunOptions) =>
    run('chroot', [path, ...commandLine], options)
  const exec = (commandLine: readonly string[], options?: RunOptions) =>
    mustRun('chroot', [path, ...commandLine], options)
  return {
    path,
    tryExec,
    exec,
    groupId: async (name) => (await exec(['getent', 'group', name])).split(':')[2] as string,
    write: async (file, content, mode = 0o644) => {
      await mkdir(dirname(path + file), { recursive: true, mode: 0o755 })
      await writeFile(path + file, content, { mode })
    },
  }
}

// Names are answered from files alone: a resolver that cannot be reached would cost a minute. Logs go to the laboratory's rsyslog.
async function prepare(root: OverlayRoot, shared: string): Promise<void> {
  const hosts = `127.0.0.1 localhost\n${SERVER_ADDRESS} ${MAIL_HOST} mx\n${SERVER_ADDRESS6} ${MAIL_HOST} mx\n`
  await root.write('/etc/hosts', hosts)
  await root.write('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n')
  await root.write('/etc/resolv.conf', '')
  await root.write('/etc/hostname', `${MAIL_HOST}\n`)
  await symlink(`${shared}/run/dev-log`, `${root.path}/dev/log`)
}

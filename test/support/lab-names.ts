// Names of everything the laboratory makes on the host, so that what a killed test run left behind can be found and removed.
import { readdir, readFile, rm } from 'node:fs/promises'
import { run } from './run.ts'

const LAB_BASE = '/run/popauthd-test'
const PREFIX = 'pat'

let counter = 0

/** A name no other laboratory has at the moment: the process that owns it, and a number. */
export function newLabName(): string {
  counter += 1
  return `${PREFIX}-${process.pid}-${counter}-${Math.random().toString(36).slice(2, 6)}`
}

/** The laboratory's directory on the host: root's, 0755 all the way, since sendmail refuses maps and sockets elsewhere. */
export function labDirectory(name: string): string {
  return `${LAB_BASE}/${name}`
}

/** Removes the namespaces, mounts and directories of laboratories whose process is gone. Harmless when run twice at once. */
export async function removeStaleLabs(): Promise<void> {
  const namespaces = (await run('ip', ['netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0] ?? '')
  for (const namespace of namespaces) {
    if (isStale(namespace)) await removeNamespace(namespace)
  }
  for (const name of await readdir(LAB_BASE).catch(() => [])) {
    if (isStale(name)) await removeLabDirectory(labDirectory(name))
  }
}

/** Kills what still runs in a laboratory's network namespace and removes the namespace. */
export async function removeNamespace(namespace: string): Promise<void> {
  const pids = (await run('ip', ['netns', 'pids', namespace])).stdout.split('\n').filter(Boolean)
  if (pids.length > 0) await run('kill', ['-KILL', ...pids])
  await run('ip', ['netns', 'delete', namespace])
}

/** Unmounts everything at and below a laboratory's directory, innermost first, then removes the directory. */
export async function removeLabDirectory(directory: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  const points = mounts.split('\n').map((line) => line.split(' ')[1] ?? '')
  const inside = points.filter((point) => point === directory || point.startsWith(`${directory}/`))
  for (const point of inside.reverse()) await run('umount', ['--lazy', point])
  await rm(directory, { recursive: true, force: true })
}

function isStale(name: string): boolean {
  const match = /^pat-(\d+)-/.exec(name)
  return match !== null && !isAlive(Number(match[1]))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Listening on a Unix socket: rights that are never wider than asked for, stale sockets told from served ones. */
import { execFile } from 'node:child_process'
import { chmod, chown, lstat, mkdir, readFile, stat, unlink } from 'node:fs/promises'
import { createConnection, type Server } from 'node:net'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { reasonOf, SocketError } from '../errors.ts'

/** Where to listen and who may connect. */
interface UnixSocketOptions {
  readonly path: string
  /** File mode bits of the socket, for instance 0o660. */
  readonly mode: number
  /** Group name or number; undefined: the process's own. */
  readonly group?: string | undefined
  /** Mode of the socket's directory where it has to be made. */
  readonly directoryMode: number
  /** A descriptor that listens already, from the service manager: path, mode and group are its own then. */
  readonly inherited?: number | undefined
}

/**
 * Makes `server` listen at a Unix socket. A stale socket is removed; one that somebody serves, and a file that is no socket, are left
 * alone. The socket is removed by `server.close()`; an inherited one stays, and who connects meanwhile waits.
 * @throws {SocketError} saying what is in the way and what to do about it.
 */
export async function listenOnUnixSocket(server: Server, options: UnixSocketOptions): Promise<void> {
  const { path, inherited } = options
  if (inherited !== undefined) return await listen(server, { fd: inherited }, `the inherited socket ${inherited}`)
  refuseLongPath(path)
  const gid = options.group === undefined ? undefined : await groupId(options.group)
  await makeDirectory(path, options.directoryMode)
  await removeStale(path)
  await bind(server, path)
  try {
    if (gid !== undefined) await chown(path, -1, gid)
    await chmod(path, options.mode)
  } catch (error) {
    await new Promise((resolve) => server.close(resolve))
    throw new SocketError(
      `cannot give socket ${path} group ${options.group} and mode ${options.mode.toString(8)}: ${reasonOf(error)}`,
      {
        mend: 'make the user popauthd runs as a member of that group, or choose a group it belongs to',
        cause: error,
      },
    )
  }
}

/** The longest path of a Unix socket in bytes: `sun_path` less its NUL (unix(7): 108 on Linux, 104 on the BSDs and macOS). */
export const LONGEST_SOCKET_PATH = process.platform === 'linux' ? 107 : 103

function refuseLongPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= LONGEST_SOCKET_PATH) return
  throw new SocketError(
    `cannot listen on ${path}: the path has ${bytes} bytes, this system takes ${LONGEST_SOCKET_PATH} at most`,
    {
      mend: 'choose a shorter path, for instance below /run/popauthd',
    },
  )
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  const directory = dirname(path)
  try {
    if ((await mkdir(directory, { recursive: true, mode })) !== undefined) await chmod(directory, mode)
  } catch (error) {
    throw new SocketError(`cannot make directory ${directory} for socket ${path}: ${reasonOf(error)}`, {
      mend: `make it and give it to the user popauthd runs as, for instance: install -d -m ${mode.toString(8)} -o popauthd ${directory}`,
      cause: error,
    })
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new SocketError(`cannot look at ${path}: ${reasonOf(error)}`, { cause: error })
  })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new SocketError(`cannot listen on ${path}: something that is no socket is in its place`, {
      mend: 'move it away or choose another path',
    })
  }
  const state = await probe(path)
  if (state === 'served') {
    throw new SocketError(`cannot listen on ${path}: it is already served by another process`, {
      mend: `stop the other popauthd first (who it is: fuser ${path}), or choose another path`,
    })
  }
  if (state !== 'stale')
    throw new SocketError(`cannot tell whether ${path} is served: ${state}`, {
      mend: 'remove the socket if nobody uses it',
    })
  await unlink(path).catch((error: unknown) => {
    throw new SocketError(`cannot remove the stale socket ${path}: ${reasonOf(error)}`, { cause: error })
  })
}

const PROBE_MS = 2000

/** `served` where somebody accepts connections or is too busy to, `stale` where nobody listens, otherwise why it cannot be told. */
function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const settle = (state: string) => {
      socket.destroy()
      resolve(state)
    }
    socket.setTimeout(PROBE_MS, () => settle('served'))
    socket.once('connect', () => settle('served'))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') settle('stale')
      else settle(error.code === 'EAGAIN' ? 'served' : reasonOf(error))
    })
  })
}

async function bind(server: Server, path: string): Promise<void> {
  // listen() binds before it returns, so the mask rules the rights that the socket is born with.
  const mend = 'the directory must be writable for the user popauthd runs as'
  const mask = process.umask(0o177)
  let listening: Promise<void>
  try {
    listening = listen(server, { path }, path, mend)
  } finally {
    process.umask(mask)
  }
  await listening
}

function listen(server: Server, where: { path: string } | { fd: number }, name: string, mend?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const more = mend === undefined ? { cause: error } : { mend, cause: error }
      reject(new SocketError(`cannot listen on ${name}: ${reasonOf(error)}`, more))
    })
    server.listen(where, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

/**
 * Why sendmail would refuse a socket in this directory (8.17: a directory that its group or others may write to), or undefined.
 * sendmail does not say so to anybody but its own log: a refused socket looks like an absent one.
 */
export async function directoryProblem(path: string): Promise<string | undefined> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const { mode } = await stat(directory)
    if ((mode & 0o022) !== 0) {
      const who = (mode & 0o002) !== 0 ? 'world' : 'group'
      return `${directory} is ${who}-writable (mode ${(mode & 0o7777).toString(8)}): sendmail refuses a socket below it`
    }
    if (directory === dirname(directory)) return undefined
  }
}

/** The number of a group given by name or number. @throws {SocketError} where there is none. */
export async function groupId(group: string): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group)
  const known =
    numberOf(group, await readFile('/etc/group', 'utf8').catch(() => '')) ?? numberOf(group, await getent(group))
  if (known !== undefined) return known
  throw new SocketError(`there is no group ${group} on this system`, {
    mend: `make it (groupadd ${group}), or name another one`,
  })
}

function numberOf(group: string, lines: string): number | undefined {
  const fields = lines
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === group)
  const number = fields?.[2] ?? ''
  return /^\d{1,10}$/.test(number) ? Number(number) : undefined
}

async function getent(group: string): Promise<string> {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(group)) return ''
  const answer = await promisify(execFile)('getent', ['group', group], { timeout: 5000 }).catch(() => undefined)
  return answer?.stdout ?? ''
}

import { lstat, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SocketError } from '../errors.ts'
import { directoryProblem, groupId, LONGEST_SOCKET_PATH, listenOnUnixSocket } from './unix-socket.ts'

let directory: string
const servers: Server[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
  await rm(directory, { recursive: true })
})

function server(): Server {
  const made = createServer()
  servers.push(made)
  return made
}
const listen = (path: string, mode = 0o660, group?: string) =>
  listenOnUnixSocket(server(), { path, mode, group, directoryMode: 0o750 })

describe('a Unix socket', () => {
  it('gets its mode and makes its directory', async () => {
    const path = join(directory, 'run', 'a.sock')
    const mask = process.umask()
    await listen(path, 0o640)
    expect((await stat(path)).mode & 0o7777).toBe(0o640)
    expect((await stat(join(directory, 'run'))).mode & 0o7777).toBe(0o750)
    expect(process.umask()).toBe(mask)
  })

  it('gets its group, by name or number', async () => {
    const gid = process.getgid?.() ?? 0
    await listen(join(directory, 'a.sock'), 0o660, String(gid))
    expect((await stat(join(directory, 'a.sock'))).gid).toBe(gid)
    if (gid === 0) expect(await groupId('root')).toBe(0)
    await expect(listen(join(directory, 'b.sock'), 0o660, 'no-such-group')).rejects.toThrow(/no group no-such-group/)
  })

  it('refuses a path that does not fit, naming the limit', async () => {
    const path = join(directory, 'x'.repeat(LONGEST_SOCKET_PATH))
    await expect(listen(path)).rejects.toThrow(new RegExp(`${LONGEST_SOCKET_PATH} at most`))
    const fits = join(directory, 'x'.repeat(LONGEST_SOCKET_PATH - directory.length - 1))
    await listen(fits)
    expect((await lstat(fits)).isSocket()).toBe(true)
  })

  it('leaves one alone that is served', async () => {
    const path = join(directory, 'a.sock')
    await listen(path)
    await expect(listen(path)).rejects.toThrow(/already served by another process/)
    await expect(listen(path)).rejects.toBeInstanceOf(SocketError)
    expect((await lstat(path)).isSocket()).toBe(true)
  })

  it('replaces a stale one', async () => {
    const path = join(directory, 'a.sock')
    await leaveStaleSocket(path)
    expect((await lstat(path)).isSocket()).toBe(true)
    await listen(path)
  })

  it('never removes what is no socket', async () => {
    const file = join(directory, 'file')
    await writeFile(file, 'precious')
    await expect(listen(file)).rejects.toThrow(/no socket/)
    await symlink(file, join(directory, 'link'))
    await expect(listen(join(directory, 'link'))).rejects.toThrow(/no socket/)
    expect((await stat(file)).size).toBe(8)
  })

  it('goes when its server closes', async () => {
    const path = join(directory, 'a.sock')
    await listen(path)
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve))
    await expect(lstat(path)).rejects.toThrow(/ENOENT/)
  })

  it('is told from one that sendmail would refuse', async () => {
    expect(await directoryProblem(join(directory, 'a.sock'))).toMatch(/world-writable|group-writable/)
    expect(await directoryProblem('/etc/a.sock')).toBeUndefined()
  })
})

// Renamed, it is not removed when its server closes: it stays behind as that of a killed process does.
async function leaveStaleSocket(path: string): Promise<void> {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(`${path}.made`, resolve))
  await rename(`${path}.made`, path)
  await new Promise((resolve) => other.close(resolve))
}

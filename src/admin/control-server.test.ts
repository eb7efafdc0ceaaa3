import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SocketError } from '../errors.ts'
import { accessMend, ControlClient, NoDaemonError } from './control-client.ts'
import { ControlServer } from './control-server.ts'
import type { WatchableTarget } from './control-target.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-control-'))
  path = join(directory, 'run', 'control.sock')
})

afterEach(() => rmSync(directory, { recursive: true }))

/** Answers flush only, once `hold` resolves; tells when it was asked. */
function serve(hold: Promise<void> = Promise.resolve(), asked = () => {}): ControlServer {
  const flush = async () => {
    asked()
    await hold
    return { ended: 2, kept: 0 }
  }
  const check = async () => ({})
  return new ControlServer(
    { flush, check } as unknown as WatchableTarget,
    { path, mode: 0o660, group: undefined },
    () => {},
  )
}

describe('ControlServer', () => {
  it('serves on a socket with its mode, in a directory that others may not enter', async () => {
    await using server = serve()
    await server.start()
    expect(statSync(path).mode & 0o777).toBe(0o660)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o750)
    expect(await new ControlClient(path).flush()).toEqual({ ended: 2, kept: 0 })
  })

  it('refuses a socket that another daemon serves', async () => {
    await using first = serve()
    await first.start()
    await expect(serve().start()).rejects.toThrow(SocketError)
    expect(await new ControlClient(path).flush()).toEqual({ ended: 2, kept: 0 })
  })

  it('lets an answer under way finish when it stops, and leaves no socket', async () => {
    let release = () => {}
    const hold = new Promise<void>((resolve) => {
      release = resolve
    })
    let asked = () => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    const server = serve(hold, () => asked())
    await server.start()
    const answer = new ControlClient(path).flush()
    await isAsked
    const stopped = server[Symbol.asyncDispose]()
    release()
    await stopped
    expect(await answer).toEqual({ ended: 2, kept: 0 })
    await expect(new ControlClient(path).flush()).rejects.toThrow(NoDaemonError)
  })

  it('is not held open by a caller who sends nothing', async () => {
    const server = serve()
    await server.start()
    const socket = await connected(path)
    await server[Symbol.asyncDispose]()
    expect(socket.destroyed || socket.readableEnded || (await ended(socket))).toBe(true)
  })
})

describe('accessMend', () => {
  it('names the group of the socket, or of the directory that cannot be entered', () => {
    const mend = accessMend(join(directory, 'none.sock'))
    const { gid } = statSync(directory)
    expect(mend).toMatch(gid === 0 ? /option control\.group/ : /member of the group \S+ /)
    if (process.getuid?.() !== 0) return
    chownSync(directory, -1, 8) // mail, on Debian and most others
    const name = execFileSync('getent', ['group', '8']).toString().split(':')[0]
    expect(accessMend(join(directory, 'none.sock'))).toContain(`member of the group ${name} `)
  })
})

function connected(to: string): Promise<ReturnType<typeof createConnection>> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(to)
    socket.on('error', reject)
    socket.on('connect', () => resolve(socket.resume()))
  })
}

function ended(socket: ReturnType<typeof createConnection>): Promise<boolean> {
  return new Promise((resolve) => socket.on('close', () => resolve(true)))
}

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeHost, told } from './fake-host.ts'
import type { Host } from './finding.ts'
import { configuration, judgeRoom, sockets, state } from './rights.ts'

const isRoot = process.getuid?.() === 0

let directory: string
let host: Host
let servers: Server[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
  host = fakeHost(directory)
})
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  servers = []
  rmSync(directory, { recursive: true })
})

describe('the configuration', () => {
  it.skipIf(!isRoot)('is for root alone to change; its warnings are told (skipped: needs root)', async () => {
    const configFile = join(directory, 'popauthd.yaml')
    writeFileSync(configFile, '', { mode: 0o644 })
    const look = async () => told(await configuration({ ...host, configFile, configWarnings: ['a warning'] }))
    expect(await look()).toBe('ok: only root may change it (mode 0644)\nwarning: a warning')
    chownSync(configFile, 1002, 0)
    expect(await look()).toMatch(/^warning: bob may change it, .*which programs run/)
    chmodSync(configFile, 0o666)
    expect(await look()).toMatch(/^problem: everybody on this host may change it/)
    chownSync(configFile, 0, 0)
    chmodSync(configFile, 0o644)
    chmodSync(directory, 0o777)
    expect(await look()).toMatch(/^problem: everybody on this host may change it/)
  })

  it('may be missing', async () => {
    expect(told(await configuration(host))).toBe('ok: there is no file; the defaults apply')
  })
})

describe('the state directory', () => {
  const rights = async () => told((await state(host)).filter(({ check }) => check === 'state'))

  it('may be missing before the first start', async () => {
    expect(told(await state(host))).toMatch(/^ok: is not there yet/)
  })

  it('lets nobody else write, and nobody read who logs in from where', async () => {
    const { stateDirectory } = host.config
    const table = join(stateDirectory, 'table.mdb')
    mkdirSync(stateDirectory, { mode: 0o711 })
    writeFileSync(table, '')
    chmodSync(table, 0o640)
    expect(await rights()).toMatch(/^ok: only root and .* may write to it \(mode 0711\)$/)
    chmodSync(table, 0o644)
    expect(await rights()).toMatch(/^warning: everybody may read .*table\.mdb \(mode 0644\)/)
    chmodSync(table, 0o646)
    expect(await rights()).toMatch(/^problem: everybody on this host may write to .*table\.mdb/)
    chmodSync(table, 0o640)
    chmodSync(stateDirectory, 0o777)
    expect(await rights()).toMatch(/^problem: everybody on this host may write to .*another table/)
  })

  it('has room: judged by what is left', async () => {
    mkdirSync(host.config.stateDirectory)
    expect((await state(host)).filter(({ check }) => check === 'room')).toHaveLength(1)
    const room = (freeBytes: number, freeFiles?: number) => judgeRoom('/s', { freeBytes, freeFiles }).verdict
    const MIB = 1024 * 1024
    expect([room(5 * MIB), room(100 * MIB), room(1000 * MIB), room(1000 * MIB, 9), room(1000 * MIB, 0)]).toEqual([
      'problem',
      'warning',
      'ok',
      'ok',
      'problem',
    ])
    expect(judgeRoom('/s', { freeBytes: 1.5 * 1024 * MIB, freeFiles: 1 }).text).toBe('1.5 GiB are free')
  })
})

describe('the sockets', () => {
  async function listen(path: string, mode: number): Promise<void> {
    const server = createServer()
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(path, resolve))
    chmodSync(path, mode)
  }

  it('that are not there tell nothing: the daemon makes them', async () => {
    expect(await sockets(host)).toEqual([])
  })

  it.skipIf(!isRoot)('name those who may open the relay (skipped: needs root)', async () => {
    const { path } = host.config.control
    await listen(path, 0o660)
    chownSync(path, 900, 50)
    expect(told(await sockets(host))).toBe(
      'ok: root and popauthd, and the members of staff (ann, bob) may allow, block and revoke',
    )
    chmodSync(path, 0o666)
    expect(told(await sockets(host))).toMatch(/^problem: everybody on this host may allow addresses: mode 0666/)
    chmodSync(path, 0o600)
    chmodSync(directory, 0o777)
    expect(told(await sockets(host))).toMatch(/^ok: .*\nproblem: everybody on this host may put another socket/)
  })

  it('for lookups must lie where sendmail takes one', async () => {
    await listen(host.config.socketmap.path, 0o660)
    // The temporary directory is open to everybody, which sendmail refuses, sticky or not.
    expect(told(await sockets(host))).toMatch(/^warning: .*world-writable.*sendmail refuses/)
  })
})

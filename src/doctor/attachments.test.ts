import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lookups, maps } from './attachments.ts'
import { fakeHost, fakeStatus, told } from './fake-host.ts'
import type { Host } from './finding.ts'
import { hindrance } from './reach.ts'

const ADM = 4
const isRoot = process.geteuid?.() === 0

let directory: string
let server: Server | undefined
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
  chmodSync(directory, 0o755)
})
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
  server = undefined
  rmSync(directory, { recursive: true })
})

const running: Partial<Host> = { daemon: { kind: 'runs', status: fakeStatus() } }
const path = (name: string) => join(directory, name)
const lookup = (changes: Partial<Host> = running) =>
  fakeHost(directory, { lookups: [{ protocol: 'socketmap', socket: path('sub/map.sock') }] }, changes)

async function listen(mode: number, directoryMode = 0o755, gid?: number): Promise<void> {
  mkdirSync(path('sub'))
  server = createServer()
  await new Promise<void>((resolve) => server?.listen(path('sub/map.sock'), resolve))
  if (gid !== undefined) chownSync(path('sub/map.sock'), -1, gid)
  chmodSync(path('sub/map.sock'), mode)
  chmodSync(path('sub'), directoryMode)
}

describe('the socket of a lookup', () => {
  it('is not there: a problem only where the daemon runs', async () => {
    expect(told(await lookups(lookup()))).toMatch(/^problem: is not there, though popauthd runs/)
    expect(told(await lookups(lookup({ daemon: { kind: 'none' } })))).toBe('')
  })

  it('is open for everybody, or for nobody', async () => {
    await listen(0o666)
    expect(told(await lookups(lookup()))).toMatch(/^warning: every local user may ask/)
    chmodSync(path('sub/map.sock'), 0o600)
    expect(told(await lookups(lookup()))).toMatch(/^warning: nobody but root and popauthd may ask/)
  })

  it('that nobody serves is a problem', async () => {
    mkdirSync(path('sub'))
    writeFileSync(path('sub/map.sock'), '')
    expect(told(await lookups(lookup()))).toMatch(/^problem: cannot be connected to: nobody answers there/)
  })

  it.runIf(isRoot)('is reached by the members of its group, where they may pass the directories', async () => {
    await listen(0o660, 0o755, ADM)
    expect(told(await lookups(lookup()))).toMatch(/^ok: root and the group adm \(ann, syslog\) may ask$/)
    chmodSync(path('sub'), 0o700)
    expect(told(await lookups(lookup()))).toMatch(/^problem: ann may not pass .*\/sub \(mode 0700\)/)
  })
})

describe('the file of a map', () => {
  const host = (changes: Partial<Host> = running) =>
    fakeHost(directory, { maps: [{ format: 'postfix', path: path('hosts') }] }, changes)

  it('is looked for with the suffixes of Postfix', async () => {
    expect(told(await maps(host()))).toMatch(/^problem: is not there/)
    expect(told(await maps(host({ daemon: { kind: 'none' } })))).toBe('')
    writeFileSync(path('hosts.lmdb'), '', { mode: 0o600 })
    expect(told(await maps(host()))).toMatch(/^ok|^warning/)
  })

  it('that others may write to lets anybody relay', async () => {
    writeFileSync(path('hosts.lmdb'), '')
    chmodSync(path('hosts.lmdb'), 0o666)
    expect(told(await maps(host()))).toMatch(
      /problem: everybody on this host may write to .*hosts\.lmdb \(mode 0666\), and so let anybody relay/,
    )
  })
})

it('a user is kept out by a directory, by the file, or by nothing', async () => {
  mkdirSync(path('sub'))
  writeFileSync(path('sub/file'), '')
  chmodSync(path('sub/file'), 0o640)
  const other = { name: 'other', uid: 4242, gids: [4242] }
  expect(await hindrance(path('sub/file'), other, 'read')).toMatch(/other may not read it \(mode 0640\)/)
  chmodSync(path('sub/file'), 0o644)
  expect(await hindrance(path('sub/file'), other, 'read')).toBeUndefined()
  expect(await hindrance(path('sub/file'), other, 'write')).toMatch(/may not open it/)
  chmodSync(path('sub'), 0o750)
  expect(await hindrance(path('sub/file'), other, 'read')).toMatch(/other may not pass .*\/sub \(mode 0750\)/)
  expect(await hindrance(path('sub/file'), { ...other, uid: 0 }, 'write')).toBeUndefined()
})

// What is missing, damaged, full or taken: a clear message with its mend, the right exit code, nothing lost, nothing opened.
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mapTools } from '../../support/makemap.ts'
import { Popauthd, type PopauthdOptions, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { mustRun } from '../../support/run.ts'
import { waitFor } from '../../support/wait-for.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

let directory: string
let log: TestLog
const started: Popauthd[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-'))
  await chmod(directory, 0o755)
  log = new TestLog(join(directory, 'mail.log'))
})
afterEach(async () => {
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

function popauthd(options: Partial<PopauthdOptions> = {}): Popauthd {
  const one = new Popauthd({ directory: join(directory, 'popauthd'), logs: [log.path], ...options })
  started.push(one)
  return one
}

/** Starts it and expects that it refuses: with `code` and all of `words` on standard error, and without a stack. */
async function refused(one: Popauthd, code: number, words: readonly (string | RegExp)[], wrapper: string[] = []) {
  await one.start({ ready: false, wrapper })
  expect(await one.ended(), one.output).toBe(code)
  for (const word of words) expect(one.output).toMatch(word)
  expect(one.output).not.toMatch(/^ {4}at /m)
}

describe('the log', () => {
  it('that is missing is waited for, and told', async () => {
    const one = popauthd()
    await one.start()
    const told = await one.event('log missing')
    expect(told).toMatchObject({ level: 'warn', detail: expect.stringContaining(log.path) })
    await log.write(qpopperLine('alice', '198.51.100.1'))
    await one.event('authorization granted', { ip: '198.51.100.1' })
  })

  it('that is a directory is an error with a mend', async () => {
    await mkdir(log.path)
    await refused(popauthd(), 3, [log.path, 'it is a directory'])
  })

  it.skipIf(!isRoot)('that may not be read is an error with a mend, not absent', async () => {
    await log.write(qpopperLine('alice', '198.51.100.1'))
    await chmod(log.path, 0o600)
    const one = popauthd()
    await mkdir(one.directory, { mode: 0o777 })
    await chmod(one.directory, 0o777)
    await refused(one, 3, [log.path, 'permission denied', /group|adm|setfacl|chmod/], NOBODY)
  })

  it.skipIf(!isRoot)('is read by an ordinary user who may, with nothing of root', async () => {
    await log.write(qpopperLine('alice', '198.51.100.1'))
    const one = popauthd()
    await mkdir(one.directory, { mode: 0o777 })
    await chmod(one.directory, 0o777)
    await one.start({ wrapper: NOBODY })
    expect(await one.openAddresses()).toEqual(['198.51.100.1'])
    expect((await stat(one.stateDirectory)).uid).toBe(65534)
    for (const name of ['table.mdb', 'popauthd.lock'])
      expect((await stat(join(one.stateDirectory, name))).mode & 0o027, name).toBe(0)
    expect((await stat(one.stateDirectory)).mode & 0o026).toBe(0)
    expect((await stat(one.controlSocket)).mode & 0o007).toBe(0)
  })
})

describe('the state directory', () => {
  it.skipIf(!isRoot)('on a full disk holds the intake and loses nothing: it goes on once there is room', async () => {
    await log.write()
    const one = popauthd()
    await mkdir(one.stateDirectory, { recursive: true })
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0750', 'popauthd-e2e', one.stateDirectory])
    try {
      await one.start()
      await log.write(qpopperLine('alice', '198.51.100.1'))
      await one.event('authorization granted', { ip: '198.51.100.1' })
      const ballast = join(one.stateDirectory, 'ballast')
      await writeFile(ballast, Buffer.alloc(32 << 20)).catch((error: NodeJS.ErrnoException) => {
        expect(error.code).toBe('ENOSPC')
      })
      const expected = ['198.51.100.1']
      const lines: string[] = []
      for (let i = 0; i < 6000; i++) {
        expected.push(`203.0.${113 + (i >> 8)}.${i & 255}`)
        lines.push(qpopperLine(`user${i}`, `203.0.${113 + (i >> 8)}.${i & 255}`))
      }
      await log.write(...lines)
      await one.event('cannot record logins, trying again', { level: 'error' })
      expect((await one.cli('check', '198.51.100.1')).code).toBe(0)
      await unlink(ballast)
      await one.event('the table can be written again')
      await waitFor('all logins', async () => (await one.openAddresses()).length === expected.length || undefined)
      expect(await one.openAddresses()).toEqual(expected.sort())
      await one.kill()
      await one.start()
      expect(await one.openAddresses()).toEqual(expected)
    } finally {
      await one.kill()
      await mustRun('umount', ['--lazy', one.stateDirectory])
    }
  })

  it.skipIf(!isRoot)('on a full disk takes who is over out of the maps all the same', async () => {
    const map = join(directory, 'hosts')
    const one = popauthd({ config: { window_seconds: 60, maps: [{ format: 'exim_list', path: map }] } })
    await mkdir(one.stateDirectory, { recursive: true })
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0750', 'popauthd-e2e', one.stateDirectory])
    try {
      await one.start()
      const clients = async () => (await readFile(map, 'utf8')).match(/^[\d.]+$/gm)
      // Many: for few the table keeps room of its own.
      const lines = Array.from({ length: 3000 }, (_, i) => qpopperLine(`user${i}`, `10.0.${i >> 8}.${i & 255}`, 45))
      await log.write(...lines)
      await waitFor('the clients in the map', async () => (await clients())?.length === lines.length || undefined)
      await writeFile(join(one.stateDirectory, 'ballast'), Buffer.alloc(32 << 20)).catch(() => {})
      await one.event('cannot sweep the table', { level: 'error' }, { timeoutMs: 30_000 })
      await waitFor('the map without it', async () => ((await clients()) === null ? true : undefined))
    } finally {
      await one.kill()
      await mustRun('umount', ['--lazy', one.stateDirectory])
    }
  })

  it.each([
    ['cut in the middle of what it holds', (path: string) => truncate(path, 256 << 10)],
    ['cut to a few bytes', (path: string) => truncate(path, 100)],
    ['emptied', (path: string) => truncate(path, 0)],
    ['overwritten', (path: string, size: number) => writeFile(path, Buffer.alloc(size, 0x5a))],
  ])('with a table that was %s refuses with a mend, and the mend works', async (_, damage) => {
    const one = popauthd()
    const line = (i: number) => qpopperLine(`u${i}`, `10.0.${i >> 8}.${i & 255}`)
    await log.write(...Array.from({ length: 4000 }, (_, i) => line(i)))
    await one.start()
    const before = await one.openAddresses()
    expect(before).toHaveLength(4000)
    await one.ask('revoke', '10.0.1.77')
    await one.stop()
    const table = join(one.stateDirectory, 'table.mdb')
    await damage(table, (await stat(table)).size)
    await refused(one, 3, [table, 'run `popauthd rebuild`'])
    const answer = await one.cli('list')
    expect(answer.code).toBe(3)
    expect(answer.stderr).toContain(table)
    expect(await one.ask('rebuild')).toEqual({ table, keptAs: `${table}.set-aside`, decisions: 1 })
    await one.start()
    expect(await one.openAddresses()).toEqual(before.filter((address) => address !== '10.0.1.77'))
  })

  it('with a table that lost only room that it does not use goes on with all of it', async () => {
    await log.write(qpopperLine('alice', '198.51.100.1'), qpopperLine('bob', '198.51.100.2'))
    const one = popauthd()
    await one.start()
    await one.stop()
    const table = join(one.stateDirectory, 'table.mdb')
    await truncate(table, (await stat(table)).size >> 1)
    await one.start()
    expect(await one.openAddresses()).toEqual(['198.51.100.1', '198.51.100.2'])
    await log.write(qpopperLine('carol', '198.51.100.3'))
    await one.event('authorization granted', { ip: '198.51.100.3' })
    await one.stop()
    await one.start()
    expect(await one.openAddresses()).toEqual(['198.51.100.1', '198.51.100.2', '198.51.100.3'])
  })

  it('in use by another daemon is refused, and that one goes on', async () => {
    const first = popauthd()
    await log.write(qpopperLine('alice', '198.51.100.1'))
    await first.start()
    const sockets = {
      control: { socket: join(directory, 'c2.sock') },
      socketmap: { socket: join(directory, 'l2.sock') },
    }
    const second = popauthd({
      directory: join(directory, 'second'),
      config: { state_directory: first.stateDirectory, ...sockets },
    })
    await refused(second, 3, [first.stateDirectory, `PID ${first.pid}`, 'state_directory'])
    expect(await first.openAddresses()).toEqual(['198.51.100.1'])
  })

  it('that cannot be made is an error with a mend', async () => {
    await writeFile(join(directory, 'file'), '')
    await log.write()
    await refused(popauthd({ config: { state_directory: join(directory, 'file', 'state') } }), 3, [
      join(directory, 'file'),
    ])
  })
})

describe('a socket', () => {
  it('with too long a path is a mistake in the configuration', async () => {
    await log.write()
    const path = join(directory, 'x'.repeat(120))
    await refused(popauthd({ socketmap: path }), 2, [/socketmap\.socket/, /107 bytes/, 'choose a shorter one'])
  })

  it('that is served already is refused', async () => {
    await log.write()
    const path = join(directory, 'taken.sock')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    try {
      await refused(popauthd({ socketmap: path }), 3, [path, 'already served'])
      expect((await stat(path)).isSocket()).toBe(true)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('that a killed daemon left behind is replaced', async () => {
    await log.write(qpopperLine('alice', '198.51.100.1'))
    const one = popauthd()
    await one.start()
    await one.kill()
    expect((await stat(one.controlSocket)).isSocket()).toBe(true)
    await one.start()
    expect(await one.openAddresses()).toEqual(['198.51.100.1'])
  })
})

describe('makemap', () => {
  it('that is missing is told and tried again; the intake goes on, and the map follows once it is there', async () => {
    await log.write()
    const tools = await mapTools(directory)
    const [text, makemap] = [join(directory, 'access'), join(directory, 'not-yet')]
    const commands = { makemap_command: [makemap, '{type}', '{map}'], editmap_command: [] }
    const one = popauthd({ config: { sendmail_access: { enabled: true, path: text, ...commands } } })
    await one.start()
    const told = await one.event('cannot publish', { level: 'error' })
    expect(String(told.problem)).toContain(makemap)
    await log.write(qpopperLine('alice', '198.51.100.1'))
    await one.event('authorization granted', { ip: '198.51.100.1' })
    expect((await one.ask<{ publishers: unknown[] }>('status')).publishers).toMatchObject([{ state: 'failing' }])
    await symlink(join(directory, 'makemap'), makemap)
    const entries = () => tools.dump(text).catch((): string[] => [])
    const isThere = async () => (await entries()).includes('connect:198.51.100.1 RELAY') || undefined
    await waitFor('the map', isThere, { timeoutMs: 20_000 })
  })
})

/** The table's files between users and processes. */
import { spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  basePolicy,
  clock,
  directory,
  ip,
  login,
  openAgain,
  opened,
  openTable,
  reopen,
  START,
  table,
  useDirectory,
} from '../../test/support/table-of-test.ts'
import { AuthorizationTable } from './authorization-table.ts'

const HOOKS = fileURLToPath(new URL('../../test/support/typescript-hooks.mjs', import.meta.url))
const WRITER = fileURLToPath(new URL('../../test/support/table-writer.ts', import.meta.url))

describe.runIf(process.geteuid?.() === 0)('a new table that root makes in the directory of another user', () => {
  it('belongs to that user with all its files, and opens again', async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
    useDirectory(mkdtempSync(join(tmpdir(), 'popauthd-table-')))
    chownSync(directory, 65_534, 65_534)
    await openAgain()
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    await table.applyDecision({ kind: 'allow', atMs: START, address: ip('192.0.2.2') })
    const names = readdirSync(directory).sort()
    expect(names).toEqual(['decisions.json', 'popauthd.lock', 'table.mdb', 'table.mdb-lock'])
    expect(names.map((name) => statSync(join(directory, name)).uid)).toEqual(names.map(() => 65_534))
    await reopen()
    expect(table.lookup(ip('192.0.2.1')).authorized).toBe(true)
  })
})

describe('a second process', () => {
  it('is told who has the table, and may read it', async () => {
    await table.commit({ logins: [login('bob', '192.0.2.1', START)] })
    await expect(openTable()).rejects.toThrow(`another popauthd (PID ${process.pid}) uses ${directory}`)
    await table[Symbol.asyncDispose]()
    const reader = await AuthorizationTable.open({ directory, clock, policy: basePolicy, readOnly: true })
    opened.push(reader)
    expect(reader.lookup(ip('192.0.2.1')).authorized).toBe(true)
    await expect(reader.commit({ logins: [login('bob', '192.0.2.2', START)] })).rejects.toThrow()
  })

  it('killed in mid-commit leaves positions and logins of the same commit', async () => {
    await table[Symbol.asyncDispose]()
    let before = 0
    for (const _ of [1, 2, 3]) {
      const child = spawn(process.execPath, ['--import', HOOKS, WRITER, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      child.stdout.once('data', () => child.kill('SIGKILL'))
      await new Promise((resolve) => child.once('close', resolve))
      await openAgain()
      const done = table.position('s') as number
      expect(done).toBeGreaterThan(before)
      before = done
      expect(table.stats().addresses).toBe(done)
      await table[Symbol.asyncDispose]()
    }
  }, 30_000)

  it('that may write no further loses nothing, opens nothing, and says why', async () => {
    await table[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
    // The shell's limit on the size of files stands for a full disk.
    const command = 'ulimit -f 2100; exec "$0" --import "$1" "$2" "$3"'
    const child = spawn('sh', ['-c', command, process.execPath, HOOKS, WRITER, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    await new Promise((resolve) => child.once('close', resolve))
    expect(child.exitCode).toBe(0)
    const said = JSON.parse(text.split('\n').find((line) => line.startsWith('{')) as string)
    expect(said).toMatchObject({ name: 'TableError', again: true, isOpen: false, position: said.n - 1 })
    expect(said.message).toContain(`cannot write the table ${join(directory, 'table.mdb')}: `)
    await openAgain()
    expect(table.position('s')).toBe(said.n - 1)
    expect(table.stats().addresses).toBe(said.n - 1)
  }, 30_000)
})

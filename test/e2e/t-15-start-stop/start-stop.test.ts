// Starting and stopping the real daemon: in the middle of a large log, with a damaged table at a terminal, and what it tells meanwhile.
import { spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { chmod, mkdtemp, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StatusAnswer } from '../../../src/admin/api-types.ts'
import { ControlClient } from '../../../src/admin/control-client.ts'
import { isInstalled } from '../../support/installed.ts'
import { dovecotLine, Popauthd, PROGRAM, TestLog } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'

let directory: string
let log: TestLog
const started: Popauthd[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-'))
  await chmod(directory, 0o755)
  log = new TestLog(join(directory, 'mail.log'))
  await log.write()
})
afterEach(async () => {
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

function popauthd(): Popauthd {
  const config = { log: { level: 'info', format: 'json' }, admission: { addresses_per_user: 1 } }
  const one = new Popauthd({ directory: join(directory, 'popauthd'), logs: [log.path], config })
  started.push(one)
  return one
}

const MEBIBYTE = 1024 * 1024
const LOG_BYTES = 200 * MEBIBYTE
const LOGINS_PER_MEBIBYTE = 20

const addressOf = (n: number) => `198.18.${n >> 8}.${n & 255}`
const addresses = (count: number) => Array.from({ length: count }, (_, n) => addressOf(n)).sort()

/** Appends noise with a login of its own address every so often. Returns how many logins there are. */
function writeLarge(path: string, bytes: number): number {
  const noise = `${new Date().toISOString().replace(/Z$/, '000+00:00')} mx sshd[77]: Connection closed by 192.0.2.9 port 22 [preauth]\n`
  const block = noise.repeat(Math.floor(MEBIBYTE / LOGINS_PER_MEBIBYTE / noise.length))
  const fd = openSync(path, 'a')
  let count = 0
  for (let written = 0; written < bytes; count++)
    written += writeSync(fd, `${block}${dovecotLine(`user${count}`, addressOf(count))}\n`)
  closeSync(fd)
  return count
}

describe('a large log', () => {
  it('stops the daemon in its middle, with nothing lost; status answers and says how far it is', async () => {
    const one = popauthd()
    await one.start()
    expect(await one.stop()).toBe(0)
    const count = writeLarge(log.path, LOG_BYTES)
    const client = new ControlClient(one.controlSocket)
    const table = join(one.stateDirectory, 'table.mdb')
    const before = await stat(table)
    let stops = 0
    for (let isDone = false; !isDone && stops < 5; stops++) {
      await one.start({ ready: false })
      const seen: { status: StatusAnswer; milliseconds: number }[] = []
      await waitFor('the daemon in the middle of the log', async () => {
        const from = performance.now()
        const status = await client.status().catch(() => undefined)
        if (status === undefined) return undefined
        seen.push({ status, milliseconds: performance.now() - from })
        isDone = status.ready
        return isDone || (status.sources[0]?.readPercent ?? 0) > 10 ? true : undefined
      })
      const from = performance.now()
      expect(await one.stop()).toBe(0)
      const stopMilliseconds = performance.now() - from
      const slowest = Math.max(...seen.map(({ milliseconds }) => milliseconds))
      console.info(`stopped in ${stopMilliseconds.toFixed(0)} ms, slowest status ${slowest.toFixed(0)} ms`)
      expect(stopMilliseconds).toBeLessThan(5000)
      expect(slowest).toBeLessThan(5000)
      const last = seen.at(-1)?.status
      if (isDone) break
      expect(last?.ready).toBe(false)
      expect(last?.sources[0]).toMatchObject({ caughtUp: false, behindBytes: expect.any(Number) })
      expect(last?.sources[0]?.behindBytes).toBeGreaterThan(MEBIBYTE)
    }
    expect(stops, 'the log was read before the daemon could be stopped').toBeGreaterThan(0)
    await one.start({ ready: false })
    await one.event('ready', {}, { timeoutMs: 60_000 })
    const status = await client.status()
    expect(status).toMatchObject({ ready: true, sources: [{ caughtUp: true }] })
    expect(status.sources[0]?.behindBytes).toBeUndefined()
    expect(await one.openAddresses()).toEqual(addresses(count))
    expect((await stat(table)).ino).toBe(before.ino)
  }, 180_000)
})

describe.skipIf(!isInstalled('script'))('a damaged table at a terminal (skipped where script(1) is missing)', () => {
  /** Runs the daemon on a terminal of its own, types `answer` to the question, and stops it once it is ready. */
  async function onTerminal(one: Popauthd, answer: string): Promise<{ code: number; said: string }> {
    const command = [process.execPath, PROGRAM, '--config', one.configPath, 'run'].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    let answered = false
    let interrupted = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (!answered && said.includes('[y/N] ')) {
        answered = true
        child.stdin.write(answer)
      }
      if (!interrupted && said.includes('"msg":"ready"')) {
        interrupted = true
        child.stdin.write('\u0003')
      }
    })
    const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 255)))
    return { code, said }
  }

  async function damaged(): Promise<Popauthd> {
    const one = popauthd()
    await log.write(dovecotLine('alice', '198.18.0.0'))
    await one.start()
    await one.ask('block', '198.51.100.9')
    await one.stop()
    await truncate(join(one.stateDirectory, 'table.mdb'), 5000)
    return one
  }

  it('is made anew of the logs after a yes; decisions stay', async () => {
    const one = await damaged()
    const { code, said } = await onTerminal(one, 'y\n')
    expect(said).toMatch(/table\.mdb: .*[\s\S]*make a new one of the logs.*[\s\S]*1 decision stays in force/)
    expect({ code, said }).toMatchObject({ code: 0 })
    expect(await one.openAddresses()).toEqual(['198.18.0.0'])
    expect((await one.ask<StatusAnswer>('status')).table.decisions).toBe(1)
    expect((await stat(join(one.stateDirectory, 'table.mdb.set-aside'))).size).toBe(5000)
  })

  it('stays as it is after anything else, and the mend is told', async () => {
    const one = await damaged()
    const { code, said } = await onTerminal(one, '\n')
    expect(code).toBe(3)
    expect(said).toContain('popauthd rebuild')
    expect((await stat(join(one.stateDirectory, 'table.mdb'))).size).toBe(5000)
  })
})

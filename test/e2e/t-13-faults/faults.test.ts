// What disks, kernels and power supplies do to a daemon: errors in the middle of its work, and state of any earlier moment. Nothing lost, nothing invented.
import { chmod, cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isInstalled } from '../../support/installed.ts'
import { dovecotLine, Popauthd, type PopauthdOptions, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { mustRun } from '../../support/run.ts'
import { waitFor } from '../../support/wait-for.ts'

const isRoot = process.getuid?.() === 0
const mayTrace = isRoot && isInstalled('strace')
const needsStrace = mayTrace ? '' : ' (skipped: needs root and strace)'

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

function popauthd(options: Partial<PopauthdOptions> = {}): Popauthd {
  const one = new Popauthd({ directory: join(directory, 'popauthd'), logs: [log.path], ...options })
  started.push(one)
  return one
}

const addressOf = (n: number) => `198.18.${n >> 8}.${n & 255}`
const addresses = (count: number) => Array.from({ length: count }, (_, n) => addressOf(n)).sort()
const line = (n: number) => (n % 2 === 0 ? qpopperLine : dovecotLine)(`user${n}`, addressOf(n))

/** Makes the n-th calls of some kind on a file fail with `error`. */
function failing(calls: string, error: string, when: string, path: string): string[] {
  const trace = ['strace', '-D', '-f', '-o', '/dev/null', '-P', path, '-e', `trace=${calls}`]
  return [...trace, '-e', `inject=${calls}:error=${error}:when=${when}`]
}

async function openUntil(one: Popauthd, count: number): Promise<void> {
  await waitFor(`${count} addresses`, async () => (await one.openAddresses()).length >= count || undefined, {
    timeoutMs: 30_000,
    everyMs: 200,
  })
  expect(await one.openAddresses()).toEqual(addresses(count))
}

describe.skipIf(!mayTrace)(`errors of the disk${needsStrace}`, () => {
  it('while the log is read are told, and nothing is skipped', async () => {
    const one = popauthd()
    for (let n = 0; n < 20; n++) await log.write(line(n))
    await one.start({ wrapper: failing('pread64', 'EIO', '4..7', log.path), ready: false })
    await one.event('log unreadable', {}, { timeoutMs: 30_000 })
    await log.write(line(20))
    await openUntil(one, 21)
    await rename(log.path, `${log.path}.1`)
    await log.write(line(21))
    await openUntil(one, 22)
  })

  it.each([
    ['pwrite64', 'EIO', '3..6'],
    ['pwrite64', 'ENOSPC', '4..9'],
    ['fdatasync', 'EIO', '2..4'],
  ])(
    'while the table is written (%s: %s) hold the intake up, or end the daemon; nothing is lost',
    async (calls, error, when) => {
      const one = popauthd()
      await one.start()
      await one.stop()
      const table = join(one.stateDirectory, 'table.mdb')
      await one.start({ wrapper: failing(calls, error, when, table), ready: false })
      const isTold = () => one.events.some(({ msg }) => msg === 'cannot record logins, trying again')
      // Each in a commit of its own, for strace counts the calls of each thread; once there is trouble the rest may gather.
      for (let n = 0; n < 60; n++) {
        await log.write(line(n))
        const isIn = () => one.events.some(({ msg, ip }) => msg === 'authorization granted' && ip === addressOf(n))
        await waitFor('the login or trouble', () => isIn() || isTold() || !one.running || undefined, { everyMs: 5 })
      }
      const isOver = async () => !one.running || (await one.openAddresses()).length === 60 || undefined
      await waitFor('the end of the trouble', isOver, { timeoutMs: 30_000, everyMs: 300 })
      const end = one.running ? 'went on' : 'ended'
      expect(isTold() || end === 'ended').toBe(true)
      await one.kill()
      await one.start()
      await openUntil(one, 60)
      console.info(`${calls} ${error}: the daemon ${end}`)
    },
  )
})

describe('too few file descriptors', () => {
  it.skipIf(!isInstalled('prlimit'))(
    'hold rotation up, and skip no file (skipped where prlimit is missing)',
    async () => {
      const one = popauthd({ config: { socketmap: { max_connections: 1000 } } })
      await log.write(line(0))
      await one.start()
      await mustRun('prlimit', ['--pid', String(one.pid), '--nofile=80'])
      const sockets: Socket[] = []
      try {
        for (let i = 0; i < 150; i++) sockets.push(connect(one.socketmap).on('error', () => {}))
        await waitFor('the connections', () => sockets.every((socket) => !socket.connecting) || undefined)
        await log.write(line(1))
        await rename(log.path, `${log.path}.2`)
        await new TestLog(`${log.path}.1`).write(line(2))
        await log.write(line(3))
        await one.event('log unreadable', {}, { timeoutMs: 20_000 })
      } finally {
        for (const socket of sockets) socket.destroy()
      }
      await openUntil(one, 4)
      expect(one.running).toBe(true)
    },
  )
})

describe.skipIf(!isRoot)('a state directory that is read-only', () => {
  it('is refused with a mend, and is fine again once it can be written', async () => {
    const one = popauthd()
    await mkdir(one.stateDirectory, { recursive: true })
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0750', 'popauthd-e2e', one.stateDirectory])
    try {
      await log.write(line(0))
      await one.start()
      await one.stop()
      await mustRun('mount', ['-o', 'remount,ro', one.stateDirectory])
      await log.write(line(1))
      await one.start({ ready: false })
      expect(await one.ended(), one.output).toBe(3)
      expect(one.output).toContain(one.stateDirectory)
      expect(one.output).toMatch(/read-only/)
      expect(one.output).not.toMatch(/^ {4}at /m)
      await mustRun('mount', ['-o', 'remount,rw', one.stateDirectory])
      await one.start()
      await openUntil(one, 2)
    } finally {
      await one.kill()
      await mustRun('umount', ['--lazy', one.stateDirectory])
    }
  })
})

describe('a power cut', () => {
  it('leaves the state of any moment: from each the same table comes again', async () => {
    const one = popauthd()
    await one.start()
    const snapshots: string[] = []
    const lines = 400
    for (let n = 0; n < lines; n++) {
      await log.write(line(n))
      if (n % 60 !== 7) continue
      await pause(n % 80)
      one.signal('SIGSTOP') // between two instructions, wherever it is
      const snapshot = join(directory, `snapshot-${n}`)
      await cp(one.stateDirectory, snapshot, { recursive: true })
      one.signal('SIGCONT')
      snapshots.push(snapshot)
    }
    await openUntil(one, lines)
    await one.ask('block', addressOf(3))
    await one.stop()
    for (const snapshot of snapshots) {
      const again = popauthd({ directory: join(directory, `again-${snapshots.indexOf(snapshot)}`) })
      await mkdir(again.directory)
      await rename(snapshot, again.stateDirectory)
      await again.start()
      await openUntil(again, lines)
      await again.stop()
    }
    expect(snapshots.length).toBe(7)
  })
})

// The built program while somebody sets its wall clock: nothing stays open longer than its line says, and nobody is locked out.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, type TestContext } from 'vitest'
import { type FakeClock, fakeClock, fakeClockObstacle } from '../../support/fake-clock.ts'
import { mapTools } from '../../support/makemap.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'

const obstacle = await fakeClockObstacle()
/** The timers look at the clock at least each minute. */
const NOTICED = { timeoutMs: 65_000, everyMs: 100 }
/** Half of it is when the daemon says that it lives. */
const WATCHDOG_SECONDS = 4

interface Check {
  readonly authorized: boolean
  readonly reason: string
}

/** One daemon with a clock of its own; `finished` is told what is to be done at the end, last first. */
async function setUp({ onTestFinished: finished }: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-'))
  finished(() => rm(directory, { recursive: true, force: true }))
  await chmod(directory, 0o755)
  const clock = await fakeClock(directory)
  const log = new TestLog(join(directory, 'mail.log'))
  await log.write()
  const tools = await mapTools(directory)
  const map = join(directory, 'access')
  const sendmail_access = {
    enabled: true,
    path: map,
    makemap_command: tools.makemapCommand,
    editmap_command: tools.editmapCommand,
  }
  const popauthd = new Popauthd({ directory: join(directory, 'run'), logs: [log.path], config: { sendmail_access } })
  finished(() => popauthd[Symbol.asyncDispose]())
  const alive = await watchdog(directory)
  await popauthd.start({ wrapper: [...clock.wrapper, ...alive.assignments] })
  const logIn = async (user: string, address: string, offsetSeconds = clock.offsetSeconds) => {
    await log.write(qpopperLine(user, address, -offsetSeconds))
  }
  const check = (address: string) => popauthd.ask<Check>('check', address)
  const inMap = async () => (await tools.dump(map)).map((entry) => entry.replace(/^connect:(\S+) .*/i, '$1'))
  return { clock, popauthd, logIn, check, inMap, signsOfLife: alive.count }
}

/** A service manager that counts how often the daemon says that it lives. */
async function watchdog(directory: string) {
  const [program, told] = [join(directory, 'systemd-notify'), join(directory, 'told')]
  await writeFile(program, `#!/bin/sh\necho "$@" >> '${told}'\n`, { mode: 0o755 })
  const assignments = [
    `PATH=${directory}:${process.env.PATH}`,
    'NOTIFY_SOCKET=/nowhere',
    `WATCHDOG_USEC=${WATCHDOG_SECONDS * 1_000_000}`,
  ]
  const count = async () => (await readFile(told, 'utf8').catch(() => '')).split('WATCHDOG=1').length - 1
  return { assignments, count }
}

type SetUp = Awaited<ReturnType<typeof setUp>>

/** The daemon goes on telling that it lives. */
async function expectAlive({ signsOfLife }: SetUp): Promise<void> {
  const before = await signsOfLife()
  await waitFor('a sign of life', async () => (await signsOfLife()) > before + 1 || undefined, {
    timeoutMs: 3 * WATCHDOG_SECONDS * 1000,
  })
}

const setTo = (clock: FakeClock, minutes: number) => clock.set(minutes * 60)

describe.skipIf(obstacle)(`a wall clock that is set${obstacle ? ` (skipped: ${obstacle})` : ''}`, () => {
  it.concurrent('forward ends what is over by it, at once, and judges by it from then on', async (context) => {
    const all = await setUp(context)
    const { clock, popauthd, logIn, check, inMap } = all
    await logIn('alice', '198.51.100.1')
    await popauthd.event('authorization granted', { ip: '198.51.100.1' })
    await waitFor('the map', async () => (await inMap()).includes('198.51.100.1') || undefined)
    await setTo(clock, 20)
    expect(await check('198.51.100.1')).toMatchObject({ authorized: false, reason: 'expired' })
    await logIn('late', '198.51.100.2', 0)
    await logIn('bob', '198.51.100.3')
    await popauthd.event('authorization granted', { ip: '198.51.100.3' })
    await popauthd.event('authorization ended', { ip: '198.51.100.1', reason: 'expired' }, NOTICED)
    await waitFor('the map without it', async () => !(await inMap()).includes('198.51.100.1') || undefined, {
      timeoutMs: 2000,
    })
    expect(await inMap()).toEqual(['198.51.100.3'])
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.3'])
    await expectAlive(all)
    expect(await popauthd.stop()).toBe(0)
  })

  it.concurrent('back closes what is dated ahead of it, lets new logins in, and brings nothing back', async (context) => {
    const all = await setUp(context)
    const { clock, popauthd, logIn, check, inMap } = all
    for (const [user, address] of [
      ['alice', '198.51.100.1'],
      ['eve', '198.51.100.5'],
    ] as const) {
      await logIn(user, address)
      await popauthd.event('authorization granted', { ip: address })
    }
    await setTo(clock, -60)
    expect(await check('198.51.100.1')).toMatchObject({ authorized: false, reason: 'ahead_of_clock' })
    await logIn('carol', '198.51.100.3', 0)
    await popauthd.event('login refused', { ip: '198.51.100.3', reason: 'ahead_of_clock' })
    await logIn('dave', '198.51.100.4')
    await popauthd.event('authorization granted', { ip: '198.51.100.4' })
    await logIn('alice', '198.51.100.1')
    await waitFor('alice', async () => (await check('198.51.100.1')).authorized || undefined)
    await popauthd.event('authorization ended', { ip: '198.51.100.5', reason: 'ahead_of_clock' }, NOTICED)
    await waitFor('the map without it', async () => !(await inMap()).includes('198.51.100.5') || undefined, {
      timeoutMs: 2000,
    })
    expect(await inMap()).toEqual(['198.51.100.1', '198.51.100.4'])
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1', '198.51.100.4'])
    await expectAlive(all)
    // The true time again: what was let in an hour ago is over, and what came just before the step is still in time.
    await setTo(clock, 0)
    expect((await check('198.51.100.4')).authorized).toBe(false)
    expect((await check('198.51.100.3')).authorized).toBe(false)
    expect((await check('198.51.100.5')).authorized).toBe(true)
    expect(await popauthd.stop()).toBe(0)
  })
})

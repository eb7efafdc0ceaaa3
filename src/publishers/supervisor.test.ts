import { describe, expect, it } from 'vitest'
import type { TableChange } from '../core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import { PublishError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import type { Publisher, WholeTable } from './publisher.ts'
import { Supervisor } from './supervisor.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const change = (kind: TableChange['kind'], text: string, user = 'alice'): TableChange => ({
  kind,
  address: address(text),
  atMs: 0,
  reason: 'login',
  user,
})

/** Records what it is told; a run ends when the test lets it. */
class Recorder implements Publisher {
  readonly name = 'recorder'
  readonly needs: Publisher['needs']
  readonly calls: string[] = []
  signal: AbortSignal | undefined
  failure: Error | undefined
  hold: Promise<void> | undefined
  running = 0
  mostRunning = 0

  constructor(needs: Publisher['needs'] = 'expiry') {
    this.needs = needs
  }

  publish(changes: readonly TableChange[], _all: WholeTable, signal: AbortSignal): Promise<void> {
    return this.#take(changes.map(({ kind, address, user }) => `${kind} ${address} ${user}`).join(', '), signal)
  }

  resync(_all: WholeTable, signal: AbortSignal): Promise<void> {
    return this.#take('resync', signal)
  }

  setAlways(): void {}

  closeAll(signal: AbortSignal): Promise<void> {
    return this.#take('close', signal)
  }

  async #take(call: string, signal: AbortSignal): Promise<void> {
    this.signal = signal
    this.calls.push(call)
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    await this.hold
    this.running--
    if (this.failure !== undefined) throw this.failure
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function make(options: { needs?: Publisher['needs']; gatherMilliseconds?: number } = {}) {
  const publisher = new Recorder(options.needs)
  const clock = new ManualClock(1_000_000)
  const failures: { problem: string; retryInMs: number | undefined }[] = []
  const events = {
    published: () => {},
    publishFailed: (_name: string, problem: string, retryInMs: number | undefined) => {
      failures.push({ problem, retryInMs })
    },
  }
  const gatherMilliseconds = options.gatherMilliseconds ?? 200
  const supervisor = new Supervisor({ publisher, all: () => [], clock, gatherMilliseconds, events })
  return { publisher, clock, failures, supervisor }
}
/** Lets promises that are ready run. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function inStep(options: Parameters<typeof make>[0] = {}) {
  const made = make(options)
  expect(await made.supervisor.settled()).toBe(true)
  made.publisher.calls.length = 0
  return made
}

it('publishes an extension before the end that was published', async () => {
  const { publisher, clock, supervisor } = await inStep()
  supervisor.changed({ ...change('extended', '192.0.2.1'), beforeMs: clock.now() + 12_000 })
  clock.advance(6900)
  await turn()
  expect(publisher.calls).toEqual([])
  clock.advance(200)
  await turn()
  expect(publisher.calls).toEqual(['extended 192.0.2.1 alice'])
})

it('publishes soon, whatever the clock was set to while it published', async () => {
  const { supervisor, publisher, clock } = await inStep()
  for (const stepMs of [3_600_000, -7_200_000]) {
    let release = () => {}
    publisher.hold = new Promise((resolve) => (release = resolve))
    supervisor.changed(change('granted', '192.0.2.1'))
    clock.advance(200)
    clock.step(stepMs)
    release()
    await turn()
    supervisor.changed(change('ended', '192.0.2.1'))
    clock.step(stepMs)
    clock.advance(200)
    await turn()
    expect(publisher.calls.splice(0)).toEqual(['granted 192.0.2.1 alice', 'ended 192.0.2.1 alice'])
  }
})

describe('the supervisor', () => {
  it('begins with the whole table', async () => {
    const { supervisor, publisher } = make()
    expect(supervisor.state.inStep).toBe(false)
    supervisor.changed(change('granted', '192.0.2.1'))
    expect(await supervisor.settled()).toBe(true)
    expect(publisher.calls).toEqual(['resync'])
    expect(supervisor.state).toMatchObject({ inStep: true, problem: undefined })
  })

  it('gathers a burst into one run', async () => {
    const { supervisor, publisher, clock } = await inStep()
    for (let i = 1; i <= 3; i++) {
      supervisor.changed(change('granted', `192.0.2.${i}`))
      clock.advance(60)
    }
    expect(publisher.calls).toEqual([])
    clock.advance(20)
    await turn()
    expect(publisher.calls).toEqual(['granted 192.0.2.1 alice, granted 192.0.2.2 alice, granted 192.0.2.3 alice'])
  })

  it('lets the latest state of an address win, and keeps the users apart', async () => {
    const { supervisor, publisher } = await inStep()
    supervisor.changed(change('granted', '192.0.2.1'))
    supervisor.changed(change('ended', '192.0.2.1'))
    supervisor.changed(change('ended', '192.0.2.2'))
    supervisor.changed(change('granted', '192.0.2.2'))
    supervisor.changed(change('extended', '192.0.2.2', 'bob'))
    supervisor.changed(change('extended', '192.0.2.2', 'bob'))
    await supervisor.settled()
    expect(publisher.calls).toEqual([
      'ended 192.0.2.1 alice, ended 192.0.2.2 alice, granted 192.0.2.2 alice, extended 192.0.2.2 bob',
    ])
  })

  it('has what ended published within two seconds, however long it gathers otherwise', async () => {
    const { supervisor, publisher, clock } = await inStep({ gatherMilliseconds: 60_000 })
    supervisor.changed(change('ended', '192.0.2.1'))
    clock.advance(1000)
    await turn()
    expect(publisher.calls).toEqual(['ended 192.0.2.1 alice'])
  })

  it('takes its time with what was only extended, unless something else has to go', async () => {
    const { supervisor, publisher, clock } = await inStep()
    supervisor.changed(change('extended', '192.0.2.1'))
    clock.advance(29_000)
    await turn()
    expect(publisher.calls).toEqual([])
    supervisor.changed(change('granted', '192.0.2.2'))
    clock.advance(200)
    await turn()
    expect(publisher.calls).toEqual(['extended 192.0.2.1 alice, granted 192.0.2.2 alice'])
  })

  it('does not tell a publisher of extensions that it does not need', async () => {
    const { supervisor, publisher, clock } = await inStep({ needs: 'membership' })
    supervisor.changed(change('extended', '192.0.2.1'))
    clock.advance(120_000)
    await supervisor.settled()
    expect(publisher.calls).toEqual([])
  })

  it('runs one publish at a time and then what came in meanwhile', async () => {
    const { supervisor, publisher, clock } = await inStep()
    let release = () => {}
    publisher.hold = new Promise((resolve) => {
      release = resolve
    })
    supervisor.changed(change('granted', '192.0.2.1'))
    clock.advance(200)
    supervisor.changed(change('granted', '192.0.2.2'))
    clock.advance(5000)
    await turn()
    expect(publisher.calls).toEqual(['granted 192.0.2.1 alice'])
    expect(supervisor.state.inStep).toBe(false)
    release()
    await turn()
    clock.advance(1000)
    await turn()
    expect(publisher.calls).toEqual(['granted 192.0.2.1 alice', 'granted 192.0.2.2 alice'])
    expect(publisher.mostRunning).toBe(1)
  })

  it('comes back after a failure, later each time, with the whole table', async () => {
    const { supervisor, publisher, clock, failures } = await inStep()
    publisher.failure = new PublishError('no room', { retryable: true, mend: 'make room' })
    supervisor.changed(change('granted', '192.0.2.1'))
    clock.advance(200)
    await turn()
    expect(failures[0]).toMatchObject({ problem: 'no room (make room)' })
    expect(supervisor.state).toMatchObject({ inStep: false, problem: 'no room (make room)' })
    for (let i = 0; i < 60; i++) {
      clock.advance(1000)
      await turn()
    }
    const delays = failures.map(({ retryInMs }) => retryInMs ?? 0)
    expect(delays.length).toBeGreaterThan(4)
    expect(delays.length).toBeLessThan(12)
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_000)
    publisher.failure = undefined
    clock.advance(30_000)
    await turn()
    expect(publisher.calls.slice(1).every((call) => call === 'resync')).toBe(true)
    expect(supervisor.state).toMatchObject({ inStep: true, problem: undefined })
  })

  it('is not hurried by changes while it waits to try again, but is by a call for a resync', async () => {
    const { supervisor, publisher, clock } = await inStep()
    publisher.failure = new PublishError('no room', { retryable: true })
    supervisor.resync()
    clock.advance(0)
    await turn()
    for (let i = 0; i < 50; i++) supervisor.changed(change('granted', `192.0.2.${i}`))
    clock.advance(500)
    await turn()
    expect(publisher.calls).toHaveLength(1)
    publisher.failure = undefined
    supervisor.resync()
    clock.advance(0)
    await turn()
    expect(publisher.calls).toEqual(['resync', 'resync'])
    expect(supervisor.state.inStep).toBe(true)
  })

  it('does not come back by itself where that would be of no use', async () => {
    const { supervisor, publisher, clock, failures } = await inStep()
    publisher.failure = new PublishError('wrong type', { retryable: false })
    expect(await inStepAfterResync(supervisor)).toBe(false)
    clock.advance(3_600_000)
    await turn()
    expect(publisher.calls).toEqual(['resync'])
    expect(failures).toEqual([{ problem: 'wrong type', retryInMs: undefined }])
  })

  it('survives an error that is none of ours', async () => {
    const { supervisor, publisher, failures } = await inStep()
    publisher.failure = new TypeError('oops')
    expect(await inStepAfterResync(supervisor)).toBe(false)
    expect(failures).toMatchObject([{ problem: 'oops', retryInMs: expect.any(Number) }])
  })

  it('stops: gives up what runs, and takes nothing in any more', async () => {
    const { supervisor, publisher, clock, failures } = await inStep()
    let release = () => {}
    publisher.hold = new Promise((resolve) => {
      release = resolve
    })
    supervisor.changed(change('granted', '192.0.2.1'))
    clock.advance(200)
    const stopped = supervisor[Symbol.asyncDispose]()
    expect(publisher.signal?.aborted).toBe(true)
    publisher.failure = new Error('given up')
    release()
    await stopped
    supervisor.changed(change('granted', '192.0.2.2'))
    clock.advance(3_600_000)
    await turn()
    expect(publisher.calls).toEqual(['granted 192.0.2.1 alice'])
    expect(failures).toEqual([])
  })
})

function inStepAfterResync(supervisor: Supervisor): Promise<boolean> {
  supervisor.resync()
  return supervisor.settled()
}

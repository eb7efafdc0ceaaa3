/** All maps of a daemon at its end. */
import { expect, it } from 'vitest'
import type { TableChange } from '../core/authorization.ts'
import { type ClientAddress, type Network, parseNetwork } from '../core/client-address.ts'
import { UsageError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import type { FormerMapResult } from './former/former-maps.ts'
import type { Publisher } from './publisher.ts'
import { Publishing } from './publishing.ts'

const granted: TableChange = {
  kind: 'granted',
  address: '192.0.2.7' as ClientAddress,
  atMs: 1,
  reason: 'login',
  user: 'alice',
}
const notices: string[] = []
const failures: string[] = []
const events = {
  published: () => {},
  publishFailed: (publisher: string, problem: string) => void failures.push(`${publisher}: ${problem}`),
  notice: (message: string, fields: Record<string, unknown>) =>
    void notices.push(`${message} ${JSON.stringify(fields)}`),
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A map that is open or closed; what is done to it takes until `gate`. */
function makeMap(gate: () => Promise<void> = async () => {}) {
  const map = { isOpen: false, running: 0, mostRunning: 0, always: [] as string[] }
  const run = async (isOpen: boolean, signal: AbortSignal) => {
    map.mostRunning = Math.max(map.mostRunning, ++map.running)
    try {
      await Promise.race([gate(), new Promise((_, reject) => signal.addEventListener('abort', reject))])
      map.isOpen = isOpen
    } finally {
      map.running--
    }
  }
  const publisher: Publisher = {
    name: 'map',
    needs: 'membership',
    setAlways: (networks) => {
      const wide = networks.find(({ bits }) => bits < 128)
      if (wide !== undefined) throw new UsageError(`the map cannot say ${wide.text}`)
      map.always = networks.map(({ text }) => text)
    },
    publish: (_changes, _all, signal) => run(true, signal),
    resync: (_all, signal) => run(true, signal),
    closeAll: async () => {
      map.mostRunning = Math.max(map.mostRunning, map.running + 1)
      map.isOpen = false
    },
    async [Symbol.asyncDispose]() {},
  }
  return { map, publisher }
}

/** Former maps of which one was closed in each of these, or not. */
function makeFormer(...results: FormerMapResult[][]) {
  const former = { isNoted: false, closings: 0 }
  return Object.assign(former, {
    note: async () => {
      former.isNoted = true
    },
    close: async () => {
      former.closings++
      return results.shift() ?? []
    },
  })
}

function make(...publishers: Publisher[]) {
  return makeWith(makeFormer(), ...publishers)
}

function makeWith(former: ReturnType<typeof makeFormer>, ...publishers: Publisher[]) {
  const clock = new ManualClock(1_000_000)
  const all = publishers.map((publisher) => ({ publisher, gatherMilliseconds: 200 }))
  return { clock, publishing: new Publishing({ all, sendmail: undefined }, { all: () => [], clock, events, former }) }
}

it('what changes once the maps are closed opens none again', async () => {
  const { map, publisher } = makeMap()
  const { clock, publishing } = make(publisher)
  await publishing.start()
  expect(map.isOpen).toBe(true)
  publishing.changed(granted)
  const closing = publishing.closeAll()
  publishing.changed(granted)
  publishing.resync()
  await closing
  publishing.changed(granted)
  publishing.resync()
  clock.advance(60_000)
  await turn()
  expect(map.isOpen).toBe(false)
})

it('a map that is being made is closed once that was given up, not beside it', async () => {
  let isHanging = false
  const { map, publisher } = makeMap(() => (isHanging ? new Promise(() => {}) : Promise.resolve()))
  const { clock, publishing } = make(publisher)
  await publishing.start()
  isHanging = true
  publishing.resync()
  clock.advance(1)
  await turn()
  expect(map.running).toBe(1)
  await publishing.closeAll()
  expect(map).toMatchObject({ isOpen: false, mostRunning: 1 })
})

it('a map that hangs does not hold up the end', async () => {
  let isHanging = false
  const hanging = makeMap(() => (isHanging ? new Promise(() => {}) : Promise.resolve()))
  const { clock, publishing } = make(makeMap().publisher, hanging.publisher)
  await publishing.start()
  isHanging = true
  publishing.resync()
  const settled = publishing.settledSoon()
  await turn()
  clock.advance(10_000)
  await settled
  await publishing[Symbol.asyncDispose]()
  expect(hanging.map.running).toBe(0)
})

it('what a map cannot say of networks is left out and told; what is configured so is refused', () => {
  const { map, publisher } = makeMap()
  const { publishing } = make(publisher)
  const networks = ['192.0.2.0', '192.0.2.2/31', '2001:db8::7'].map((text) => parseNetwork(text) as Network)
  publishing.setAlways({ accessMap: [], others: networks })
  expect(map.always).toEqual(['192.0.2.0', '2001:db8::7'])
  expect(notices).toEqual([expect.stringMatching(/open in map: the map cannot say 192\.0\.2\.2\/31 .*"count":1/)])
  expect(() => publishing.checkAlways([parseNetwork('198.51.100.0/24') as Network])).toThrow(UsageError)
  publishing.checkAlways([parseNetwork('198.51.100.7') as Network])
  expect(map.always).toEqual(['192.0.2.0', '2001:db8::7'])
  expect(notices).toHaveLength(1)
})

it('notes which maps there are before it writes any', async () => {
  const former = makeFormer()
  let wasNoted: boolean | undefined
  const { publisher } = makeMap(async () => {
    wasNoted ??= former.isNoted
  })
  await makeWith(former, publisher).publishing.start()
  expect(wasNoted).toBe(true)
})

it('closes what is no longer configured, tries again what failed, and tells it until it is closed', async () => {
  notices.length = 0
  const name = 'exim_list /old'
  const former = makeFormer([{ name, problem: 'no room' }], [{ name, problem: 'no room' }], [{ name }])
  let runs = 0
  const { publisher } = makeMap(async () => void runs++)
  const { clock, publishing } = makeWith(former, publisher)
  const states = () => publishing.supervisors.map(({ name, supervisor }) => [name, supervisor.state.problem])
  await publishing.start()
  clock.advance(0)
  await turn()
  const problem = `${name} may still let in whom it last held: no room`
  expect(states()).toEqual([
    ['map', undefined],
    ['maps no longer configured', problem],
  ])
  expect(failures).toEqual([`maps no longer configured: ${problem}`])
  clock.advance(1000)
  await turn()
  expect([former.closings, failures.length]).toEqual([2, 2])
  clock.advance(2000)
  await turn()
  expect(former.closings).toBe(3)
  expect(states()).toEqual([['map', undefined]])
  expect(notices).toEqual([`a map that is no longer configured was closed {"map":"${name}"}`])
  // Whatever it shared with one that is kept is mended.
  expect(runs).toBe(1)
  clock.advance(0)
  await turn()
  expect(runs).toBe(2)
  clock.advance(600_000)
  await turn()
  expect(former.closings).toBe(3)
})

it('a reload tries at once to close what could not be closed before', async () => {
  const former = makeFormer([{ name: 'old', problem: 'no room' }])
  const { clock, publishing } = makeWith(former)
  await publishing.start()
  clock.advance(0)
  await turn()
  publishing.resync()
  clock.advance(0)
  await turn()
  expect(former.closings).toBe(2)
  expect(publishing.supervisors).toEqual([])
})

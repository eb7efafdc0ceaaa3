import { describe, expect, it } from 'vitest'
import { ManualClock } from './clock.ts'
import { type Environment, ServiceManager, TELL_EVERY_MS } from './service-manager.ts'

function managerOf(env: Environment, clock = new ManualClock(0)) {
  const sent: string[] = []
  const send = (socket: string, assignments: readonly string[]) => sent.push(`${socket} ${assignments.join(' ')}`)
  return { manager: new ServiceManager({ env, pid: 7, clock, send }), sent, clock, env }
}

describe('ServiceManager', () => {
  it('says nothing where nobody listens', () => {
    const { manager, sent, clock } = managerOf({ WATCHDOG_USEC: '30000000' })
    manager.ready('x')
    clock.advance(60_000)
    manager.stopping()
    expect(sent).toEqual([])
    expect(manager.sockets.size).toBe(0)
  })

  it('tells that it is ready and that it ends, a line each', () => {
    const { manager, sent } = managerOf({ NOTIFY_SOCKET: '/run/x' })
    manager.ready('following a\nMAINPID=1')
    manager.stopping()
    expect(sent).toEqual(['/run/x READY=1 STATUS=following a MAINPID=1', '/run/x STOPPING=1 STATUS=stopping'])
  })

  it('feeds the watchdog twice in its time, from ready to stop', () => {
    const { manager, sent, clock } = managerOf({ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' })
    clock.advance(20_000)
    expect(sent).toEqual([])
    manager.ready('x')
    clock.advance(14_999)
    expect(sent).toHaveLength(1)
    clock.advance(1)
    clock.advance(15_000)
    expect(sent.slice(1)).toEqual(['@x WATCHDOG=1', '@x WATCHDOG=1'])
    manager.stopping()
    clock.advance(60_000)
    expect(sent).toHaveLength(4)
  })

  it('goes on telling what the daemon does, where it has changed and not too often', async () => {
    const { manager, sent, clock } = managerOf({ NOTIFY_SOCKET: '@x' })
    let state = 'reading /l, 1%'
    manager.keepTelling(async () => state)
    const settle = () => new Promise((resolve) => setImmediate(resolve))
    await settle()
    state = 'reading /l, 2%'
    clock.advance(TELL_EVERY_MS - 1)
    await settle()
    expect(sent).toEqual(['@x STATUS=reading /l, 1%'])
    clock.advance(1)
    await settle()
    clock.advance(TELL_EVERY_MS)
    await settle()
    manager.ready('following /l')
    state = '1 client may relay\nfollowing /l'
    clock.advance(TELL_EVERY_MS)
    await settle()
    expect(sent.slice(1)).toEqual([
      '@x STATUS=reading /l, 2%',
      '@x READY=1 STATUS=following /l',
      '@x STATUS=1 client may relay following /l',
    ])
  })

  it('tells no state any more once it stops, also one that was asked for before', async () => {
    const { manager, sent, clock } = managerOf({ NOTIFY_SOCKET: '@x' })
    let answer = (_: string) => {}
    manager.keepTelling(() => new Promise((resolve) => (answer = resolve)))
    manager.stopping()
    answer('reading')
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(10 * TELL_EVERY_MS)
    expect(sent).toEqual(['@x STOPPING=1 STATUS=stopping'])
  })

  it('asks again where the state could not be told', async () => {
    const { manager, sent, clock } = managerOf({ NOTIFY_SOCKET: '@x' })
    let fails = true
    manager.keepTelling(async () => {
      if (fails) throw new Error('the table is closed')
      return 'works'
    })
    await new Promise((resolve) => setImmediate(resolve))
    fails = false
    clock.advance(TELL_EVERY_MS)
    await new Promise((resolve) => setImmediate(resolve))
    expect(sent).toEqual(['@x STATUS=works'])
  })

  it.each([
    [{ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }],
    [{ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: 'soon' }],
  ])('leaves a watchdog alone that is not its own: %j', (env) => {
    const { manager, sent, clock } = managerOf(env)
    manager.ready('x')
    clock.advance(600_000)
    expect(sent).toHaveLength(1)
  })

  it('takes the sockets that were handed to it, by name, and its variables out of the environment', () => {
    const env = {
      LISTEN_PID: '7',
      LISTEN_FDS: '2',
      LISTEN_FDNAMES: 'socketmap:control',
      NOTIFY_SOCKET: '/run/x',
      HOME: '/',
    }
    const { manager } = managerOf(env)
    expect([...manager.sockets]).toEqual([
      ['socketmap', 3],
      ['control', 4],
    ])
    expect(env).toEqual({ HOME: '/' })
  })

  it.each([
    [{ LISTEN_PID: '8', LISTEN_FDS: '1' }],
    [{ LISTEN_PID: '7', LISTEN_FDS: '-1' }],
    [{ LISTEN_PID: '7', LISTEN_FDS: '1000' }],
    [{ LISTEN_FDS: '1' }],
  ])('takes no sockets that are not its own: %j', (env) => {
    expect(managerOf(env).manager.sockets.size).toBe(0)
  })
})

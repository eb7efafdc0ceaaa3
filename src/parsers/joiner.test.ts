import { describe, expect, it } from 'vitest'
import type { ClientAddress } from '../core/client-address.ts'
import { LineJoiner, sessionKey } from './joiner.ts'

const ADDRESS = '198.51.100.7' as ClientAddress
const OTHER = '198.51.100.8' as ClientAddress

describe('LineJoiner', () => {
  it('gives the address of a process once', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 1000)
    joiner.connect('b', OTHER, 1000)
    expect(joiner.take('a', 2000)?.address).toBe(ADDRESS)
    expect(joiner.take('a', 2000)).toBeUndefined()
    expect(joiner.take('b', 2000)?.address).toBe(OTHER)
  })

  it('takes the newer connection of a process id that came again', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 1000)
    joiner.connect('a', OTHER, 2000)
    expect(joiner.size).toBe(1)
    expect(joiner.take('a', 2000)?.address).toBe(OTHER)
  })

  it('forgets after a failure, and after ten minutes', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 0)
    joiner.forget('a')
    expect(joiner.take('a', 1)).toBeUndefined()
    joiner.connect('a', ADDRESS, 0)
    expect(joiner.take('a', 600_001)).toBeUndefined()
    joiner.connect('a', ADDRESS, 0)
    expect(joiner.take('a', 600_000)?.address).toBe(ADDRESS)
  })

  it('does not join a login to a later connection', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 10_000)
    expect(joiner.take('a', 7_999)).toBeUndefined()
  })

  it('keeps at most 10,000, the newest', () => {
    const joiner = new LineJoiner()
    for (let i = 0; i < 10_100; i++) joiner.connect(`k${i}`, ADDRESS, i)
    expect(joiner.size).toBe(10_000)
    expect(joiner.take('k99', 10_100)).toBeUndefined()
    expect(joiner.take('k100', 10_100)?.address).toBe(ADDRESS)
  })

  it('survives as plain JSON, without what is too old', () => {
    const joiner = new LineJoiner()
    joiner.connect('old', ADDRESS, 0)
    joiner.connect('new', OTHER, 700_000)
    const stored: unknown = JSON.parse(JSON.stringify(joiner.snapshot(700_000)))
    const restored = new LineJoiner()
    restored.restore(stored)
    expect(restored.size).toBe(1)
    expect(restored.take('new', 700_001)?.address).toBe(OTHER)
  })

  it.each([
    [undefined],
    ['text'],
    [[['key', 'not an address', 1]]],
    [[['key', ADDRESS, 'late']]],
    [[{}, 3, null]],
    [[[1, ADDRESS, 1]]],
  ])('leaves out what is no snapshot: %j', (stored) => {
    const joiner = new LineJoiner()
    joiner.restore(stored)
    expect(joiner.size).toBe(0)
  })

  it('knows who tries, and from where', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 1000)
    joiner.attempt('a', 'alice', 2000)
    joiner.attempt('b', 'bob', 2000)
    const restored = new LineJoiner()
    restored.restore(JSON.parse(JSON.stringify(joiner.snapshot(2000))))
    for (const each of [joiner, restored]) {
      expect(each.take('a', 2001)).toMatchObject({ address: ADDRESS, user: 'alice' })
      expect(each.take('b', 2001)).toEqual({ user: 'bob', atMs: 2000 })
    }
  })

  it('tells the sessions of which it knows nothing but that they are', () => {
    const joiner = new LineJoiner()
    joiner.announce('a', 1000)
    joiner.connect('b', ADDRESS, 1000)
    joiner.attempt('c', 'carol', 1000)
    const restored = new LineJoiner()
    restored.restore(JSON.parse(JSON.stringify(joiner.snapshot(2000))))
    for (const each of [joiner, restored]) {
      expect(each.take('a', 2000)).toEqual({ atMs: 1000 })
      expect(each.take('a', 2000)).toBeUndefined()
    }
  })

  it('has the address of no earlier session in a new one', () => {
    const joiner = new LineJoiner()
    joiner.connect('a', ADDRESS, 0)
    joiner.attempt('a', 'alice', 700_000)
    expect(joiner.take('a', 700_001)).toEqual({ user: 'alice', atMs: 700_000 })
  })

  it('has no key without a process id or an id of the session', () => {
    const line = { host: 'mx1', program: 'popa3d' }
    expect(sessionKey('popa3d', line)).toBeUndefined()
    expect(sessionKey('popa3d', { ...line, pid: 3 })).not.toBe(sessionKey('popa3d', { ...line, host: 'mx2', pid: 3 }))
    expect(sessionKey('popa3d', { ...line, pid: 3 })).not.toBe(sessionKey('popa3d', line, '3'))
  })
})

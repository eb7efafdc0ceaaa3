import { describe, expect, it } from 'vitest'
import type { Login } from '../core/login.ts'
import { CommitQueue } from './commit-queue.ts'

const login = (user: string) => ({ user }) as Login
const names = (logins: readonly Login[]) => logins.map(({ user }) => user)
const never = new AbortController().signal
const settled = async (promise: Promise<unknown>) =>
  Promise.race([promise, new Promise((resolve) => setImmediate(resolve, 'open'))])

describe('CommitQueue', () => {
  it('gives all that waits in its order, and settles it when the next are asked for', async () => {
    const queue = new CommitQueue<Login>()
    const [first, second] = [queue.push(login('alice')), queue.push(login('bob'))]
    expect(names(await queue.take(never))).toEqual(['alice', 'bob'])
    expect(await settled(first)).toBe('open')
    const next = queue.take(never)
    expect(await first).toBe('recorded')
    expect(await second).toBe('recorded')
    const third = queue.push(login('carol'))
    expect(names(await next)).toEqual(['carol'])
    expect(await settled(third)).toBe('open')
  })

  it('counts what is taken and not recorded against its bound', async () => {
    const queue = new CommitQueue<Login>(2)
    void queue.push(login('alice'))
    await queue.take(never)
    void queue.push(login('bob'))
    expect(await queue.push(login('carol'))).toBe('dropped')
    expect(names(await queue.take(never))).toEqual(['bob'])
    expect(await settled(queue.push(login('dave')))).toBe('open')
  })

  it('gives what waits after an abort, then nothing', async () => {
    const queue = new CommitQueue<Login>()
    const stop = new AbortController()
    const waiting = queue.take(stop.signal)
    stop.abort()
    expect(await waiting).toEqual([])
    const last = queue.push(login('alice'))
    queue.refuse()
    expect(await queue.push(login('bob'))).toBe('dropped')
    expect(names(await queue.take(stop.signal))).toEqual(['alice'])
    expect(await queue.take(stop.signal)).toEqual([])
    expect(await last).toBe('recorded')
  })

  it('does not call recorded what was given up', async () => {
    const queue = new CommitQueue<Login>()
    const taken = queue.push(login('alice'))
    await queue.take(never)
    const waiting = queue.push(login('bob'))
    queue.close()
    expect(await Promise.all([taken, waiting])).toEqual(['dropped', 'dropped'])
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TableChange } from '../core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { TableError, UsageError } from '../errors.ts'
import type { CheckAnswer, DecisionRequest, ListEntry } from './api-types.ts'
import { controlApi } from './control-api.ts'
import { ControlClient, NoDaemonError } from './control-client.ts'
import type { WatchableTarget } from './control-target.ts'

const IP = parseClientAddress('198.51.100.7') as ClientAddress

function entry(address: string): ListEntry {
  const until = '2026-11-22T12:30:00.000Z'
  return { address, users: ['alice'], services: ['pop3'], since: null, until, secondsLeft: 60, reason: 'login' }
}

/** Remembers what it was asked. */
class FakeTarget implements WatchableTarget {
  readonly asked: unknown[] = []
  entries: readonly ListEntry[] = []
  failure: Error | undefined
  /** Set: answers only once it resolves. */
  hold: Promise<void> | undefined
  listener: ((change: TableChange) => void) | undefined

  async #answer<T>(question: unknown, answer: T): Promise<T> {
    this.asked.push(question)
    await this.hold
    if (this.failure !== undefined) throw this.failure
    return answer
  }

  status() {
    return this.#answer('status', { daemon: true } as never)
  }

  async *list() {
    yield* this.entries
    if (this.failure !== undefined) throw this.failure
  }

  check(address: ClientAddress) {
    const answer: CheckAnswer = {
      address,
      authorized: false,
      reason: 'unknown',
      until: null,
      secondsLeft: null,
      detail: 'no\u001b[31m',
    }
    return this.#answer(['check', address], answer)
  }

  why(address: ClientAddress) {
    return this.#answer(['why', address], {} as never)
  }

  decide(request: DecisionRequest) {
    return this.#answer(request, { ended: [] } as never)
  }

  flush() {
    return this.#answer('flush', { ended: 3, kept: 1 })
  }

  prune() {
    return this.#answer('prune', { daemon: true, removed: 0, authorized: 0, maps: [] })
  }

  importLogins(logins: readonly Login[]) {
    const refused = logins.slice(0, 1).map(({ user, address }) => ({ user, address, detail: 'no' }))
    return this.#answer(logins, { admitted: logins.length - refused.length, stale: 0, refused })
  }

  onChange(listener: (change: TableChange) => void) {
    this.listener = listener
    return () => {
      this.listener = undefined
    }
  }
}

let directory: string
let socketPath: string
let server: Server
let target: FakeTarget
let faults: unknown[]
let client: ControlClient

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-api-'))
  socketPath = join(directory, 'control.sock')
  target = new FakeTarget()
  faults = []
  server = createServer(getRequestListener(controlApi(target, (error) => faults.push(error)).fetch))
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  client = new ControlClient(socketPath, { questionMs: 5000, workMs: 5000, wholeMs: 5000 })
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(directory, { recursive: true })
})

/** A request as any program might send it. */
function raw(method: string, path: string, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false }, (response) => {
      let text = ''
      response.on('data', (part) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    call.on('error', reject)
    call.end(body)
  })
}

describe('control API', () => {
  it('hands questions to the target and its answers back, untouched', async () => {
    expect(await client.check(IP)).toMatchObject({ address: IP, authorized: false, detail: 'no\u001b[31m' })
    expect(await client.flush()).toEqual({ ended: 3, kept: 1 })
    await client.why(IP)
    await client.prune()
    await client.status()
    expect(target.asked).toEqual([['check', IP], ['check', '::1'], 'flush', ['why', IP], 'prune', 'status'])
  })

  it('takes decisions about addresses and users', async () => {
    await client.decide({ kind: 'allow', address: '::ffff:198.51.100.7', forSeconds: 60 })
    await client.decide({ kind: 'block', user: 'o\'brien "x" <y>' })
    await client.decide({ kind: 'revoke', address: '2001:DB8:0::7' })
    expect(target.asked).toEqual([
      { kind: 'allow', address: '198.51.100.7', forSeconds: 60 },
      { kind: 'block', user: 'o\'brien "x" <y>' },
      { kind: 'revoke', address: '2001:db8::7' },
    ])
  })

  it.each([
    ['an allow of a user with an end', { kind: 'allow', user: 'alice', forSeconds: 60 }],
    ['neither address nor user', { kind: 'block' }],
    ['both', { kind: 'block', address: '198.51.100.7', user: 'alice' }],
    ['a network', { kind: 'block', address: '198.51.100.0/24' }],
    ['an octal address', { kind: 'allow', address: '0300.1.2.3' }],
    ['a zone', { kind: 'allow', address: 'fe80::1%eth0' }],
    ['an unknown kind', { kind: 'open', address: '198.51.100.7' }],
    ['an unknown key', { kind: 'block', address: '198.51.100.7', by: 'me' }],
    ['a time of nothing', { kind: 'block', address: '198.51.100.7', forSeconds: 0 }],
    ['a time of ages', { kind: 'block', address: '198.51.100.7', forSeconds: 1e15 }],
    ['a revoke with an end', { kind: 'revoke', address: '198.51.100.7', forSeconds: 60 }],
    ['a control character', { kind: 'block', user: 'a\nb' }],
    ['an empty user', { kind: 'block', user: '' }],
    ['a user of 2 kB', { kind: 'block', user: 'x'.repeat(2048) }],
    ['no object', 'block'],
    ['null', null],
  ])('refuses a decision with %s', async (_what, body) => {
    const answer = await raw('POST', '/v1/decisions', JSON.stringify(body))
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ exitCode: 2 })
    expect(target.asked).toEqual([])
  })

  it.each(['', '?address=', '?address=198.51.100', '?address=198.51.100.7/32', '?address=localhost'])(
    'refuses to check %j',
    async (query) => {
      expect((await raw('GET', `/v1/check${query}`)).status).toBe(400)
      expect(target.asked).toEqual([])
    },
  )

  it('refuses what is no JSON, an unknown path, and the wrong method', async () => {
    expect((await raw('POST', '/v1/decisions', '{"kind":')).status).toBe(400)
    expect((await raw('GET', '/v1/passwords')).status).toBe(404)
    expect((await raw('GET', '/v1/flush')).status).toBe(404)
    expect(target.asked).toEqual([])
  })

  it('refuses a body longer than its bound, with and without a length', async () => {
    const long = JSON.stringify({ kind: 'block', user: 'x'.repeat(2 * 1024 * 1024) })
    expect(await raw('POST', '/v1/decisions', long)).toMatchObject({ status: 400 })
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'transfer-encoding': 'chunked' }
      const call = request({ socketPath, method: 'POST', path: '/v1/decisions', headers, agent: false }, (response) =>
        resolve(response.resume().statusCode),
      )
      call.on('error', reject)
      call.end(long)
    })
    expect(chunked).toBe(400)
    expect(target.asked).toEqual([])
  })

  it('imports many logins in bounded requests and sums the answers', async () => {
    const login: Login = { user: 'alice', address: IP, service: 'pop3', server: 'qpopper', atMs: 1_000_000_000_000 }
    const answer = await client.importLogins(Array.from({ length: 2500 }, () => login))
    expect(target.asked.map((logins) => (logins as Login[]).length)).toEqual([1000, 1000, 500])
    expect((target.asked[0] as Login[])[0]).toEqual(login)
    expect(answer).toMatchObject({ admitted: 2497, stale: 0, refused: { length: 3 } })
  })
})

describe('the list', () => {
  it('comes whole, in pieces', async () => {
    target.entries = Array.from({ length: 1234 }, (_, i) => entry(`2001:db8::${i.toString(16)}`))
    expect(await collect(client.list())).toEqual(target.entries)
  })

  it('is empty where nobody may relay', async () => {
    expect(await collect(client.list())).toEqual([])
  })

  it('is an error where the daemon broke off', async () => {
    target.entries = [entry('198.51.100.7')]
    target.failure = new TableError('the table is damaged')
    await expect(collect(client.list())).rejects.toMatchObject({ message: 'the table is damaged', exitCode: 3 })
  })
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('errors', () => {
  it('come back as they were thrown: message, mend, exit code', async () => {
    target.failure = new UsageError('198.51.100.7 is never opened', { mend: 'see admission.never' })
    await expect(client.check(IP)).rejects.toMatchObject({
      message: '198.51.100.7 is never opened',
      mend: 'see admission.never',
      exitCode: 2,
    })
    target.failure = new TableError('cannot write the table: no space left on the device')
    await expect(client.flush()).rejects.toMatchObject({ message: /no space left/, exitCode: 3 })
    expect(faults).toEqual([])
  })

  it('of ours are told to the log, not to the caller', async () => {
    target.failure = new TypeError('secret of the house')
    await expect(client.check(IP)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.not.stringContaining('secret'),
    })
    expect(faults).toEqual([target.failure])
  })

  it('no socket, or one that nobody serves: no daemon', async () => {
    await expect(new ControlClient(join(directory, 'none.sock')).status()).rejects.toThrow(NoDaemonError)
  })

  it('a daemon that hangs is not waited for without end', async () => {
    const held = new AbortController()
    target.hold = new Promise((resolve) => held.signal.addEventListener('abort', () => resolve()))
    const hasty = new ControlClient(socketPath, { questionMs: 20, workMs: 20, wholeMs: 20 })
    await expect(hasty.status()).rejects.toMatchObject({ message: /did not answer within 0\.02 s/, exitCode: 3 })
    await expect(hasty.flush()).rejects.toMatchObject({ message: /did not answer/ })
    await expect(hasty.prune()).rejects.toMatchObject({ message: /did not answer/ })
    held.abort()
  })
})

describe('the stream of changes', () => {
  it('gives each change as a line, and stops listening once the watcher leaves', async () => {
    const lines: string[] = []
    const left = await new Promise<boolean>((resolve, reject) => {
      const call = request({ socketPath, path: '/v1/changes', agent: false }, (response) => {
        response.on('error', () => {})
        response.on('data', (part) => {
          lines.push(String(part))
          call.destroy()
          const poll = () => (target.listener === undefined ? resolve(true) : setImmediate(poll))
          poll()
        })
      })
      call.on('error', (error) => lines.length === 0 && reject(error))
      call.end()
      const tell = () => {
        const change: TableChange = {
          kind: 'granted',
          address: IP,
          atMs: 0,
          untilMs: 1000,
          reason: 'login',
          user: 'a\nb',
        }
        if (target.listener === undefined) setImmediate(tell)
        else target.listener(change)
      }
      tell()
    })
    expect(left).toBe(true)
    expect(lines.join('').split('\n').length).toBe(2)
    expect(JSON.parse(lines.join(''))).toEqual({
      kind: 'granted',
      address: '198.51.100.7',
      at: '1970-01-01T00:00:00.000Z',
      until: '1970-01-01T00:00:01.000Z',
      reason: 'login',
      user: 'a\nb',
    })
  })
})

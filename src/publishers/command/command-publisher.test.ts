import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressOf, loggedIn, networksOf } from '../../../test/support/rendered-format.ts'
import type { Authorization, TableChange } from '../../core/authorization.ts'
import { ManualClock } from '../../lib/clock.ts'
import { CommandPublisher } from './command-publisher.ts'

const UNTIL_MS = 1_700_000_600_000
const signal = new AbortController().signal
const granted = (text: string): TableChange => ({
  kind: 'granted',
  address: addressOf(text),
  atMs: 1_700_000_000_000,
  untilMs: UNTIL_MS,
  reason: 'login',
})

describe('what a command is told', () => {
  let directory: string
  let publisher: CommandPublisher
  const table: Authorization[] = []
  const all = () => [table]

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    table.length = 0
    // Fails where a file says so, having taken nothing.
    const script = 'test ! -e "$1/fail" && cat >> "$1/told"'
    publisher = new CommandPublisher({
      command: ['/bin/sh', '-c', script, 'sh', directory],
      ipv6Prefix: 64,
      stateDirectory: directory,
      clock: new ManualClock(1_700_000_000_000),
    })
  })
  afterEach(() => rm(directory, { recursive: true }))

  const told = async () => {
    const text = await readFile(join(directory, 'told'), 'utf8').catch(() => '')
    await rm(join(directory, 'told'), { force: true })
    return text.split('\n').slice(0, -1)
  }

  it('is everybody first, then changes', async () => {
    table.push(loggedIn('192.0.2.7', UNTIL_MS), loggedIn('2001:db8::7', UNTIL_MS))
    publisher.setAlways(networksOf('10.0.0.0/8'))
    await publisher.publish([granted('192.0.2.7')], all, signal)
    expect(await told()).toEqual([
      'all',
      'granted 10.0.0.0/8 4294967295 always',
      'granted 192.0.2.7 1700000600 login',
      'granted 2001:db8::/64 1700000600 login',
      'end',
    ])
    const ended: TableChange = { kind: 'ended', address: addressOf('192.0.2.7'), atMs: 0, reason: 'expired' }
    await publisher.publish([granted('192.0.2.8'), ended], all, signal)
    expect(await told()).toEqual(['changes', 'granted 192.0.2.8 1700000600 login', 'ended 192.0.2.7', 'end'])
  })

  it('is nothing where nothing changed', async () => {
    await publisher.resync(all, signal)
    await told()
    await publisher.publish([], all, signal)
    expect(await told()).toEqual([])
  })

  it('is everybody again after it failed, or when other networks always may relay', async () => {
    await publisher.resync(all, signal)
    await writeFile(join(directory, 'fail'), '')
    await expect(publisher.publish([granted('192.0.2.7')], all, signal)).rejects.toThrow('exit status 1')
    await rm(join(directory, 'fail'))
    await told()
    table.push(loggedIn('192.0.2.7', UNTIL_MS))
    await publisher.publish([], all, signal)
    expect(await told()).toEqual(['all', 'granted 192.0.2.7 1700000600 login', 'end'])
    publisher.setAlways(networksOf('192.0.2.9'))
    await publisher.publish([], all, signal)
    expect((await told())[1]).toBe('granted 192.0.2.9 4294967295 always')
  })

  it('is nobody at the end, not even who always may relay', async () => {
    table.push(loggedIn('192.0.2.7', UNTIL_MS))
    publisher.setAlways(networksOf('10.0.0.0/8'))
    await publisher.resync(all, signal)
    await told()
    await publisher.closeAll(signal)
    expect(await told()).toEqual(['all', 'end'])
  })

  it('is thousands of changes in their order', async () => {
    await publisher.resync(all, signal)
    await told()
    const texts = Array.from({ length: 5000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
    await publisher.publish(texts.map(granted), all, signal)
    expect(await told()).toEqual(['changes', ...texts.map((text) => `granted ${text} 1700000600 login`), 'end'])
  })
})

// Restarts and rotation of the built program, with a log that the test writes: nobody extended, nobody resurrected, nothing missed.
import { copyFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dovecotLine, Popauthd, qpopperLine, syslogDate, TestLog } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'

interface Entry {
  readonly address: string
  readonly until: string
}

let directory: string
let popauthd: Popauthd
let log: TestLog

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-e2e-'))
  log = new TestLog(join(directory, 'mail.log'))
  await log.write()
  popauthd = new Popauthd({ directory, logs: [log.path], config: { window_seconds: 600 } })
})
afterEach(async () => {
  await popauthd[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('a restart', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)('after %s extends nobody and resurrects nobody', async (signal) => {
    await popauthd.start()
    await log.write(qpopperLine('alice', '198.51.100.1', 60), dovecotLine('bob', '198.51.100.2', 30))
    await log.write(qpopperLine('carol', '198.51.100.3', 20), qpopperLine('dave', '198.51.100.4', 10))
    await popauthd.event('authorization granted', { ip: '198.51.100.4' })
    await popauthd.ask('revoke', '198.51.100.3')
    await popauthd.ask('block', '--user', 'dave')
    const before = await popauthd.ask<Entry[]>('list')
    expect(before.map(({ address }) => address)).toEqual(['198.51.100.1', '198.51.100.2'])
    for (let i = 0; i < 2; i++) {
      if (signal === 'SIGTERM') expect(await popauthd.stop()).toBe(0)
      else await popauthd.kill()
      await popauthd.start()
      expect(untils(await popauthd.ask<Entry[]>('list'))).toEqual(untils(before))
    }
  })

  it('is not cut short by a second signal', async () => {
    await popauthd.start()
    popauthd.signal('SIGTERM')
    popauthd.signal('SIGINT')
    expect(await popauthd.stop()).toBe(0)
  })

  it('reads what came meanwhile, by the time of each line', async () => {
    await popauthd.start()
    await popauthd.stop()
    await log.write(qpopperLine('alice', '198.51.100.1', 590), qpopperLine('old', '198.51.100.9', 601))
    await log.write(qpopperLine('bob', '198.51.100.2', 0))
    await popauthd.start()
    expect(await popauthd.openAddresses()).toContain('198.51.100.2')
    expect(await popauthd.openAddresses()).not.toContain('198.51.100.9')
    await waitFor(
      'the end of the first',
      async () => {
        const open = await popauthd.openAddresses()
        return (open.length === 1 && open[0] === '198.51.100.2') || undefined
      },
      { timeoutMs: 20_000 },
    )
  })

  it('reading the whole log again, after the table was lost, gives the same table without the revoked', async () => {
    await popauthd.start()
    await log.write(qpopperLine('alice', '198.51.100.1', 60), qpopperLine('carol', '198.51.100.3', 20))
    await popauthd.event('authorization granted', { ip: '198.51.100.3' })
    await popauthd.ask('revoke', '198.51.100.3')
    const before = await popauthd.ask<Entry[]>('list')
    await popauthd.stop()
    await rm(join(popauthd.stateDirectory, 'table.mdb'))
    await popauthd.start()
    expect(untils(await popauthd.ask<Entry[]>('list'))).toEqual(untils(before))
  })

  it('joins the two lines of popa3d across it', async () => {
    await popauthd.start()
    const line = (text: string) => `${syslogDate(Date.now())} mx popa3d[335]: ${text}`
    await log.write(line('Session from 198.51.100.7'), qpopperLine('alice', '198.51.100.1'))
    await popauthd.event('authorization granted', { ip: '198.51.100.1' })
    await popauthd.stop()
    await popauthd.start()
    await log.write(line('Authentication passed for bob'))
    await popauthd.event('authorization granted', { ip: '198.51.100.7', user: 'bob' })
  })

  it('waits with half a line until the rest has come', async () => {
    await popauthd.start()
    const line = qpopperLine('alice', '198.51.100.17')
    await writeFile(log.path, line.slice(0, -1), { flag: 'a' })
    await popauthd.stop()
    await popauthd.start()
    expect(await popauthd.openAddresses()).toEqual([])
    await writeFile(log.path, '7\n', { flag: 'a' })
    await popauthd.event('authorization granted', { ip: '198.51.100.17' })
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.17'])
  })
})

describe('rotation', () => {
  const rotations = {
    'rename and a new file': async () => {
      await rename(log.path, `${log.path}.1`)
      await log.write()
    },
    'a copy, then emptied (copytruncate)': async () => {
      await copyFile(log.path, `${log.path}.1`)
      await truncate(log.path)
    },
    'rename, and the new file comes only with its first line': () => rename(log.path, `${log.path}.1`),
  }

  it.each(Object.entries(rotations))('while running: %s', async (_, rotate) => {
    await log.write(qpopperLine('alice', '198.51.100.1', 5))
    await popauthd.start()
    await popauthd.event('authorization granted', { ip: '198.51.100.1' })
    await log.write(qpopperLine('bob', '198.51.100.2', 4))
    await rotate()
    await log.write(qpopperLine('carol', '198.51.100.3', 3))
    await open('198.51.100.1', '198.51.100.2', '198.51.100.3')
  })

  it.each(Object.entries(rotations))('while down: %s', async (_, rotate) => {
    await log.write(qpopperLine('alice', '198.51.100.1', 5))
    await popauthd.start()
    await popauthd.kill()
    await log.write(qpopperLine('bob', '198.51.100.2', 4))
    await rotate()
    await log.write(qpopperLine('carol', '198.51.100.3', 3))
    await popauthd.start()
    await open('198.51.100.1', '198.51.100.2', '198.51.100.3')
  })

  it('still reads late lines of the renamed file', async () => {
    await log.write(qpopperLine('alice', '198.51.100.1', 5))
    await popauthd.start()
    await rename(log.path, `${log.path}.1`)
    await log.write(qpopperLine('carol', '198.51.100.3', 3))
    await popauthd.event('authorization granted', { ip: '198.51.100.3' })
    await new TestLog(`${log.path}.1`).write(qpopperLine('bob', '198.51.100.2', 4))
    await open('198.51.100.1', '198.51.100.2', '198.51.100.3')
  })
})

async function open(...addresses: readonly string[]): Promise<void> {
  await waitFor(`${addresses} open`, async () => {
    const found = await popauthd.openAddresses()
    return addresses.every((address) => found.includes(address)) || undefined
  })
  expect(await popauthd.openAddresses()).toEqual(addresses)
}

function untils(entries: readonly Entry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ address, until }) => [address, until]))
}

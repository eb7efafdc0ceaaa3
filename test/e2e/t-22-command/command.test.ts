// The built daemon tells a command what changes: the script of docs/command.md, word for word, keeps a file.
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { blocksOf } from '../../support/page-blocks.ts'
import { dovecotLine, Popauthd, TestLog } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('command.md')
const ALWAYS = '10.0.0.0/8 4294967295'

describe('a command of the operator', () => {
  let directory: string
  let log: TestLog
  let popauthd: Popauthd
  let file: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    const script = join(directory, 'relay-clients')
    await writeFile(script, page('script'), { mode: 0o755 })
    await mkdir(join(directory, 'kept'))
    file = join(directory, 'kept', 'relay-clients')
    const { maps } = parse(
      page('popauthd', { '/usr/local/bin/relay-clients': script, '/var/lib/popauthd/relay-clients': file }),
    ) as { maps: unknown[] }
    log = new TestLog(join(directory, 'mail.log'))
    await log.write()
    popauthd = new Popauthd({
      directory: join(directory, 'popauthd'),
      logs: [log.path],
      config: { maps, admission: { always: ['10.0.0.0/8'] } },
    })
    await popauthd.start()
  })
  afterEach(async () => {
    await popauthd[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  const clients = async () => (await readFile(file, 'utf8')).split('\n').slice(0, -1).sort()
  const holds = (...addresses: string[]) =>
    waitFor(`${addresses} in the file`, async () => {
      const found = (await clients().catch(() => [])).filter((line) => line !== ALWAYS)
      return found.map((line) => line.split(' ')[0]).join() === addresses.join() || undefined
    })

  it('is told who may relay, and until when, and who may no more', async () => {
    expect(await clients()).toEqual([ALWAYS])
    await log.write(dovecotLine('alice; rm -rf /', '192.0.2.7'), dovecotLine('bob', '2001:db8::7'))
    await holds('192.0.2.7', '2001:db8::7')
    const { until } = await popauthd.event('authorization granted', { ip: '192.0.2.7' })
    expect(await clients()).toContain(`192.0.2.7 ${Math.floor(Date.parse(String(until)) / 1000)}`)
    await popauthd.ask('revoke', '192.0.2.7')
    await holds('2001:db8::7')
    expect(await clients()).toContain(ALWAYS)
  })

  it('is told of an end soon after it', async () => {
    await log.write(dovecotLine('alice', '192.0.2.7', 597))
    await holds('192.0.2.7')
    const { until } = await popauthd.event('authorization granted', { ip: '192.0.2.7' })
    await holds()
    expect(Date.now() - Date.parse(String(until))).toBeLessThan(3000)
  })

  it('is told everything again when it failed', async () => {
    await log.write(dovecotLine('alice', '192.0.2.7'))
    await holds('192.0.2.7')
    await rename(join(directory, 'kept'), join(directory, 'away'))
    await log.write(dovecotLine('bob', '192.0.2.8'))
    const failure = await popauthd.event('cannot publish')
    expect(JSON.stringify(failure)).toMatch(/relay-clients did not take the changes: exit status \d/)
    await mkdir(join(directory, 'kept'))
    await holds('192.0.2.7', '192.0.2.8')
  })

  it('holds up no other map when it hangs, and not the stop for longer than a service manager waits', async () => {
    const list = join(directory, 'hosts')
    const maps = [
      { format: 'command', command: ['/bin/sleep', '1000'] },
      { format: 'exim_list', path: list },
    ]
    await popauthd.restartWith({ maps, admission: {}, when_stopped: 'close' })
    await log.write(dovecotLine('alice', '192.0.2.7'))
    const isOpen = async () => (await readFile(list, 'utf8')).includes('192.0.2.7')
    await waitFor('the other map', async () => (await isOpen()) || undefined, { timeoutMs: 2000 })
    expect(await popauthd.event('cannot publish', { publisher: 'command /bin/sleep' })).toMatchObject({
      level: 'error',
    })
    popauthd.signal('SIGTERM')
    await waitFor('its end', () => !popauthd.running || undefined, { timeoutMs: 29_000 })
    expect(await isOpen()).toBe(false)
  })

  it('keeps who is in time when the daemon is stopped, and prune tells it what is over', async () => {
    await log.write(dovecotLine('alice', '192.0.2.7'), dovecotLine('bob', '192.0.2.8', 596))
    await holds('192.0.2.7', '192.0.2.8')
    await popauthd.kill()
    await waitFor('the end', async () => {
      await popauthd.ask('prune')
      return !(await clients()).some((line) => line.startsWith('192.0.2.8')) || undefined
    })
    await holds('192.0.2.7')
    await popauthd.configure({ when_stopped: 'close' })
    await popauthd.start()
    await holds('192.0.2.7')
    expect(await popauthd.stop()).toBe(0)
    expect(await clients()).toEqual([])
  })
})

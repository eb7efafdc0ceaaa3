// A map whose operator's files cannot be read from the start: what an earlier run wrote must not stay open.
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readCdb } from '../../test/support/cdb-reader.ts'
import type { Authorization } from '../core/authorization.ts'
import { type ClientAddress, parseNetwork } from '../core/client-address.ts'
import { PublishError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import { courierFormat } from './courier/format.ts'
import { isOperators } from './courier/own-entries.ts'
import { type FileFormat, FilePublisher } from './file-publisher.ts'
import { type OwnFiles, ownDirectory, ownFile } from './own-files.ts'
import { memoryBeside } from './reading-memory.ts'
import { tcprulesFormat } from './tcprules/format.ts'

const { signal } = new AbortController()
const of =
  (...texts: string[]) =>
  (): Authorization[][] => [texts.map((text) => ({ address: text as ClientAddress, reason: 'login', users: [] }))]
const always = ['203.0.113.0/24', '198.51.100.4'].flatMap((text) => parseNetwork(text) ?? [])

let directory: string
let path: string
let rules: string
let ran: number
let fails: boolean
const notice = () => {}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
  path = join(directory, 'map')
  await mkdir(join(directory, 'rules'))
  rules = join(directory, 'rules', 'mine')
  ran = 0
  fails = false
})
afterEach(() => rm(directory, { recursive: true }))

/** As a process has it that has just been started. */
function publisherOf(format: FileFormat, inputs: OwnFiles): FilePublisher {
  const afterwards = async () => {
    ran++
    if (fails) throw new PublishError('makesmtpaccess failed', { retryable: true })
  }
  const clock = new ManualClock(1_700_000_000_000)
  const rest = { rights: { mode: 0o644 }, stateDirectory: '/nowhere', clock, afterwards }
  const publisher = new FilePublisher({ name: 'map', path, format, inputs, ...rest })
  publisher.setAlways(always)
  return publisher
}

function tcprules(): FilePublisher {
  const own = ownFile(rules)
  return publisherOf(tcprulesFormat({ rules: own, memory: memoryBeside(path), ipv6Prefix: 128, notice }), own)
}

function courier(): FilePublisher {
  const own = ownDirectory(join(directory, 'rules'), isOperators, path)
  return publisherOf(courierFormat({ own, memory: memoryBeside(path), ipv6Prefix: 128, notice }), own)
}

const found = async (key: string) =>
  readCdb(await readFile(path))
    .find(Buffer.from(key))
    ?.toString('latin1')
const forget = () => rm(`${path}.rules-read~`)
const RELAY = '+RELAYCLIENT=\0'

describe('rules for tcpserver that cannot be read from the start', () => {
  const GOOD = `127.0.0.1:allow,RELAYCLIENT=""
10.0.0.:allow,RELAYCLIENT="",A="1"
10.1.0.1:allow,RELAYCLIENT="",A="+RELAYCLIENT="
192.0.2.:allow,B="2"
192.0.2.9:deny
joe@192.0.2.3:allow,RELAYCLIENT=""
=:allow,RELAYCLIENT=""
2001:db8::9:deny
:allow
`
  const LOGINS = ['192.0.2.7', '198.51.100.1', '2001:db8::7']

  beforeEach(async () => {
    await writeFile(rules, GOOD)
    await tcprules().resync(of(...LOGINS), signal)
    await writeFile(rules, `${GOOD}nonsense\n`)
    expect(await found('192.0.2.7')).toBe(`+B=2\0${RELAY}`)
  })

  it('stay as they were read by an earlier run, and the map follows the table', async () => {
    const later = tcprules()
    await later.resync(of('198.51.100.2'), signal)
    expect([await found('192.0.2.7'), await found('198.51.100.2'), await found('192.0.2.9')]).toEqual([
      undefined,
      RELAY,
      'D\0',
    ])
    expect(later.trouble).toMatch(/^cannot read line 10 of .*; what was read before stays in force; write/)
    await later.closeAll(signal)
    expect(await found('198.51.100.2')).toBeUndefined()
    expect(await found('10.0.0.')).toBe(`${RELAY}+A=1\0`)
  })

  it('and that nobody remembers leave who may connect, and take relaying from whom a login may have given it', async () => {
    await forget()
    const later = tcprules()
    const failing = later.resync(of('198.51.100.2'), signal)
    await expect(failing).rejects.toThrow(/line 10 of .*; until that is mended .*map lets nobody relay/)
    await expect(failing).rejects.toMatchObject({ retryable: true, mend: expect.stringMatching(/:allow/) })
    expect(await found('192.0.2.7')).toBe('+B=2\0')
    for (const key of ['198.51.100.1', '2001:db8::7', '198.51.100.4', '203.0.113.', ''])
      expect(await found(key), key).toBe('')
    expect(await found('10.1.0.1')).toBe('+A=+RELAYCLIENT=\0')
    for (const key of ['192.0.2.9', '2001:db8::9']) expect(await found(key), key).toBe('D\0')
    for (const key of ['127.0.0.1', 'joe@192.0.2.3', '=']) expect(await found(key), key).toBe(RELAY)
    expect(await found('10.0.0.')).toBe(`${RELAY}+A=1\0`)
    await writeFile(rules, GOOD)
    await later.resync(of('198.51.100.2'), signal)
    expect(await found('198.51.100.2')).toBe(RELAY)
  })

  it('do not keep `when_stopped: close` from closing', async () => {
    await forget()
    await expect(tcprules().closeAll(signal)).rejects.toThrow(/lets nobody relay who has logged in$/)
    expect(await found('198.51.100.1')).toBe('')
  })

  it('make no file where there is none, and mend none that is no cdb', async () => {
    await forget()
    await writeFile(path, 'no cdb')
    await expect(tcprules().resync(of(), signal)).rejects.toThrow(/line 10/)
    expect(await readFile(path, 'latin1')).toBe('no cdb')
    await rm(path)
    await expect(tcprules().resync(of(), signal)).rejects.toThrow(/line 10/)
    await expect(readFile(path)).rejects.toThrow(/ENOENT/)
  })
})

describe('files of smtpaccess that cannot be read from the start', () => {
  const text = () => readFile(path, 'latin1')

  beforeEach(async () => {
    await writeFile(rules, '192.0.2\tallow,B=2\n')
    await courier().resync(of('192.0.2.7'), signal)
    await writeFile(rules, '192.0.2\tallow,B=2\n.\n')
    expect(await text()).toContain('192.0.2.7\tallow,B=2,RELAYCLIENT\n')
    ran = 0
  })

  it('stay as they were read by an earlier run', async () => {
    const later = courier()
    await later.resync(of('192.0.2.8'), signal)
    expect(await text()).not.toContain('192.0.2.7')
    expect(await text()).toContain('192.0.2.8\tallow,B=2,RELAYCLIENT\n')
    expect(later.trouble).toMatch(/^cannot read line 2 of /)
  })

  it('and that nobody remembers leave nothing in it, and the MTA is told', async () => {
    await forget()
    const later = courier()
    for (const _ of [1, 2]) await expect(later.resync(of('192.0.2.7'), signal)).rejects.toThrow(/lets nobody relay/)
    expect(await text()).not.toContain('RELAYCLIENT')
    expect(ran).toBe(1)
    await expect(later.closeAll(signal)).rejects.toThrow(/lets nobody relay/)
  })

  it('have the MTA told until it was, though the file does not change any more', async () => {
    await forget()
    const later = courier()
    fails = true
    for (const _ of [1, 2]) await expect(later.resync(of(), signal)).rejects.toThrow(/makesmtpaccess failed/)
    fails = false
    const { ino } = await stat(path)
    await expect(later.resync(of(), signal)).rejects.toThrow(/lets nobody relay/)
    await expect(later.resync(of(), signal)).rejects.toThrow(/lets nobody relay/)
    expect([ran, (await stat(path)).ino]).toEqual([3, ino])
  })
})

// What every publisher must do, whatever it writes: hold exactly the table's clients after each call, and leave the copy alone when it fails.
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../../src/core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../../src/core/client-address.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { CommandPublisher } from '../../src/publishers/command/command-publisher.ts'
import { courierFormat } from '../../src/publishers/courier/format.ts'
import { isOperators } from '../../src/publishers/courier/own-entries.ts'
import { eximCdbFormat } from '../../src/publishers/exim-cdb/format.ts'
import { eximIplsearchFormat } from '../../src/publishers/exim-iplsearch/format.ts'
import { eximListFormat } from '../../src/publishers/exim-list/format.ts'
import { type FileFormat, FilePublisher } from '../../src/publishers/file-publisher.ts'
import { NftablesPublisher } from '../../src/publishers/nftables/nftables-publisher.ts'
import { opensmtpdListFormat } from '../../src/publishers/opensmtpd-list/format.ts'
import { ownDirectory, ownFile } from '../../src/publishers/own-files.ts'
import { PostfixMapPublisher } from '../../src/publishers/postfix-map/postfix-map-publisher.ts'
import type { Publisher } from '../../src/publishers/publisher.ts'
import { memoryBeside } from '../../src/publishers/reading-memory.ts'
import { SendmailAccessPublisher } from '../../src/publishers/sendmail-access/sendmail-access-publisher.ts'
import { tcprulesFormat } from '../../src/publishers/tcprules/format.ts'
import { readCdb } from '../support/cdb-reader.ts'
import { labAvailability } from '../support/lab-availability.ts'
import { mapTools } from '../support/makemap.ts'
import { openNft } from '../support/nft.ts'
import { blocksOf } from '../support/page-blocks.ts'
import { noPostmap, postfixTools } from '../support/postmap.ts'
import { ensureRoot } from '../support/roots.ts'

/** A publisher that writes into `directory`, and the addresses that its copy lets relay. */
interface Subject {
  readonly publisher: Publisher
  readonly read: () => Promise<string[]>
  readonly close?: () => PromiseLike<void>
}

const noLab = labAvailability()
const ROOT_MS = 600_000

const subjects: Record<string, (directory: string, clock: ManualClock) => Promise<Subject>> = {
  'sendmail access map, hash': (directory, clock) => sendmailAccess(directory, clock, 'hash'),
  'sendmail access map, without editmap': (directory, clock) => sendmailAccess(directory, clock, 'hash', false),
  'Exim host list': eximList,
  'Exim iplsearch': eximIplsearch,
  'Exim cdb': eximCdb,
  command,
  'OpenSMTPD file table': opensmtpdList,
  'tcprules cdb': tcprules,
  'Courier smtpaccess': courier,
  'nftables sets': nftables,
  'Postfix cdb map': postfixCdb,
  'Postfix lmdb map': (directory, clock) => postfixMap(directory, clock, 'lmdb'),
  'Postfix hash map': (directory, clock) => postfixMap(directory, clock, 'hash'),
  'Postfix map of the default type': (directory, clock) => postfixMap(directory, clock, undefined),
}

/** Subjects that need a program, and why it is not there. */
const unavailable: Readonly<Record<string, string | undefined>> = {
  'nftables sets': noLab,
  'Postfix lmdb map': noPostmap,
  'Postfix hash map': noPostmap,
  'Postfix map of the default type': noPostmap,
}

async function eximList(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'hosts')
  return fileSubject(path, clock, eximListFormat(128), async () => linesOf(await readFile(path, 'latin1')))
}

async function eximIplsearch(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'ips')
  const addressOf = (line: string) => /^"?([\d.]+|[\da-f:]+(?="))"?: \d+$/.exec(line)?.[1] ?? expect.fail(line)
  const read = async () => linesOf(await readFile(path, 'latin1')).map(addressOf)
  return fileSubject(path, clock, eximIplsearchFormat(128), read)
}

async function eximCdb(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'hosts.cdb')
  const read = async () => {
    const keys = readCdb(await readFile(path)).entries()
    return keys.map(([key]) =>
      address(String(key).replace(/^[\da-f]{4}(\.[\da-f]{4})+$/, (v6) => v6.replaceAll('.', ':'))),
    )
  }
  return fileSubject(path, clock, eximCdbFormat(128), read)
}

async function opensmtpdList(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'hosts')
  return fileSubject(path, clock, opensmtpdListFormat(128), async () =>
    linesOf(await readFile(path, 'latin1')).map((line) => line.replace(/^\[(.*)\]$/, '$1')),
  )
}

/** The script of docs/command.md, outside of the directory that comes and goes. */
let tools: string

async function command(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'clients')
  const script = join(tools, 'relay-clients')
  await writeFile(script, blocksOf('command.md')('script'), { mode: 0o755 })
  const options = { command: [script, path], ipv6Prefix: 128, stateDirectory: tools, clock }
  const read = async () => linesOf(await readFile(path, 'latin1')).map((line) => line.replace(/ \d+$/, ''))
  return { publisher: new CommandPublisher(options), read: async () => (await read()).sort() }
}

async function tcprules(directory: string, clock: ManualClock): Promise<Subject> {
  const [path, file] = [join(directory, 'tcp.smtp.cdb'), join(directory, 'tcp.smtp')]
  await writeFile(file, ':allow\n')
  const format = tcprulesFormat({
    rules: ownFile(file),
    memory: memoryBeside(path),
    ipv6Prefix: 128,
    notice: () => {},
  })
  return fileSubject(path, clock, format, async () => {
    const entries = readCdb(await readFile(path)).entries()
    return entries.filter(([, data]) => data.includes('+RELAYCLIENT=\0')).map(([key]) => key.toString('latin1'))
  })
}

async function courier(directory: string, clock: ManualClock): Promise<Subject> {
  const [path, rules] = [join(directory, 'popauthd'), join(directory, 'smtpaccess')]
  await mkdir(rules, { recursive: true })
  await writeFile(join(rules, 'default'), '10\tallow,RELAYCLIENT\n')
  const own = ownDirectory(rules, isOperators, path)
  const format = courierFormat({ own, memory: memoryBeside(path), ipv6Prefix: 128, notice: () => {} })
  return fileSubject(path, clock, format, async () => {
    const keys = linesOf(await readFile(path, 'latin1')).map((line) => line.replace(/\tallow,RELAYCLIENT$/, ''))
    return keys.map((key) => parseClientAddress(key.replace(/^:/, '')) ?? expect.fail(`not an address: ${key}`))
  })
}

async function postfixCdb(directory: string, clock: ManualClock): Promise<Subject> {
  const path = join(directory, 'authorized')
  const read = async () =>
    readCdb(await readFile(`${path}.cdb`))
      .entries()
      .map(([key]) => key.toString())
      .sort()
  return { publisher: postfixPublisher(path, clock, 'cdb', ['/nowhere/postmap']), read }
}

async function postfixMap(directory: string, clock: ManualClock, type: 'lmdb' | 'hash' | undefined): Promise<Subject> {
  const tools = await postfixTools(await mkdtemp(join(directory, 'etc-')))
  const path = join(directory, 'authorized')
  // Debian 12's Postfix says hash.
  const read = async () =>
    (await tools.dump(`${type ?? 'hash'}:${path}`)).map((line) => line.replace(/\tOK$/, '')).sort()
  return { publisher: postfixPublisher(path, clock, type, tools.command), read }
}

function postfixPublisher(
  path: string,
  clock: ManualClock,
  mapType: 'cdb' | 'lmdb' | 'hash' | undefined,
  command: readonly string[],
) {
  const rights = { mode: 0o644 }
  return new PostfixMapPublisher({ path, mapType, command, rights, ipv6Prefix: 128, stateDirectory: '/nowhere', clock })
}

/** A map that is one file; `read` gives its addresses. */
function fileSubject(path: string, clock: ManualClock, format: FileFormat, read: () => Promise<string[]>): Subject {
  const options = { name: 'map', path, rights: { mode: 0o644 }, format, stateDirectory: '/nowhere', clock }
  return { publisher: new FilePublisher(options), read: async () => (await read()).sort() }
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

/** Real sets of a namespace's own; nft is reached through a file of the directory. */
async function nftables(directory: string, clock: ManualClock): Promise<Subject> {
  const nft = await openNft()
  await nft.load(`table inet t {
    set four { type ipv4_addr; flags timeout; }
    set six { type ipv6_addr; flags timeout; }
  }`)
  const program = join(directory, 'nft')
  await writeFile(program, `#!/bin/sh\nexec ${nft.command.join(' ')} "$@"\n`, { mode: 0o755 })
  const sets = { ipv4: 'inet t four', ipv6: 'inet t six', alwaysIpv4: 'inet t none', alwaysIpv6: 'inet t none' }
  const publisher = new NftablesPublisher({ name: 'sets', sets, command: [program], clock })
  const read = async () => [...(await nft.elements(sets.ipv4)), ...(await nft.elements(sets.ipv6))]
  return { publisher, read, close: () => nft[Symbol.asyncDispose]() }
}

async function sendmailAccess(directory: string, clock: ManualClock, mapType: string, edits = true): Promise<Subject> {
  const tools = await mapTools(directory)
  const path = join(directory, 'access')
  const publisher = new SendmailAccessPublisher({
    config: {
      enabled: true,
      path,
      mapType,
      makemapCommand: tools.makemapCommand,
      editmapCommand: edits ? tools.editmapCommand : [],
      taggedKeys: true,
      gatherMilliseconds: 0,
      writeInfo: true,
    },
    always: [],
    ipv6Prefix: 128,
    stateDirectory: join(directory, 'state'),
    clock,
    isKnown: () => false,
    notice: () => {},
  })
  const read = async () => {
    const keys = (await tools.dump(path)).map((line) => line.replace(/^connect:(ipv6:)?(.*) RELAY$/, '$2'))
    return keys.map((key) => parseClientAddress(key) ?? expect.fail(`not an address: ${key}`)).sort()
  }
  return { publisher, read }
}

const address = (text: string) => parseClientAddress(text) as ClientAddress
const login = (user: string, lastMs: number) => ({
  user,
  lastMs,
  firstMs: lastMs,
  service: 'pop3' as const,
  server: 'test',
  refused: false,
})
const authorization = (text: string): Authorization => ({
  address: address(text),
  reason: 'login',
  users: [login('alice', 1_700_000_000_000)],
})
const change = (kind: TableChange['kind'], text: string): TableChange => ({
  kind,
  address: address(text),
  atMs: 1_700_000_000_000,
  reason: 'login',
  user: 'alice',
})

if (noLab === undefined) beforeAll(() => ensureRoot('nftables'), ROOT_MS)

for (const [name, make] of Object.entries(subjects)) {
  const missing = unavailable[name]
  describe.skipIf(missing)(`publisher ${name}${missing ? ` (skipped: ${missing})` : ''}`, () => contract(make))
}

describe.each([
  ['tcprules cdb', tcprules, 'tcp.smtp', 'nonsense\n'],
  ['Courier smtpaccess', courier, 'smtpaccess/default', '.\n'],
] as const)("publisher %s, where the operator's own file cannot be read by a later run", (_, make, file, nonsense) => {
  const signal = new AbortController().signal
  let directory: string
  let later: Subject

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    const clock = new ManualClock(1_700_000_000_000)
    const earlier = await make(directory, clock)
    await earlier.publisher.resync(() => [[authorization('192.0.2.1')]], signal)
    later = await make(directory, clock)
    expect(await later.read()).toEqual(['192.0.2.1'])
    await writeFile(join(directory, file), nonsense)
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('follows the table by what was read before, and says so', async () => {
    await later.publisher.resync(() => [[authorization('192.0.2.2')]], signal)
    expect(await later.read()).toEqual(['192.0.2.2'])
    expect(later.publisher.trouble).toMatch(/what was read before stays in force/)
    await later.publisher.closeAll(signal)
    expect(await later.read()).toEqual([])
  })

  it('holds nobody where that is not known, and fails with a retryable error', async () => {
    const [kept] = (await readdir(directory)).filter((name) => name.endsWith('~'))
    await rm(join(directory, kept ?? expect.fail('nothing is remembered')))
    const failing = later.publisher.resync(() => [[authorization('192.0.2.1')]], signal)
    await expect(failing).rejects.toMatchObject({ name: 'PublishError', retryable: true })
    expect(await later.read()).toEqual([])
    await expect(later.publisher.closeAll(signal)).rejects.toThrow(/lets nobody relay/)
  })
})

function contract(make: (directory: string, clock: ManualClock) => Promise<Subject>): void {
  let directory: string
  let subject: Subject
  const signal = new AbortController().signal
  const table = new Set<string>()
  const all = () => [[...table].map(authorization)]

  beforeAll(async () => {
    tools = await mkdtemp(join(tmpdir(), 'popauthd-tools-'))
  })
  afterAll(() => rm(tools, { recursive: true }))
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    table.clear()
    subject = await make(directory, new ManualClock(1_700_000_000_000))
  })
  afterEach(async () => {
    await subject.publisher[Symbol.asyncDispose]()
    await subject.close?.()
    await rm(directory, { recursive: true })
  })

  async function publish(...changes: TableChange[]): Promise<void> {
    for (const { kind, address } of changes) kind === 'ended' ? table.delete(address) : table.add(address)
    await subject.publisher.publish(changes, all, signal)
  }

  it('makes an empty copy of an empty table', async () => {
    await subject.publisher.resync(all, signal)
    expect(await subject.read()).toEqual([])
  })

  it('holds what was granted until it ended', async () => {
    await subject.publisher.resync(all, signal)
    await publish(change('granted', '192.0.2.1'), change('granted', '2001:db8::1'))
    expect(await subject.read()).toEqual(['192.0.2.1', '2001:db8::1'])
    await publish(change('extended', '192.0.2.1'))
    await publish(change('ended', '192.0.2.1'), change('granted', '192.0.2.2'))
    expect(await subject.read()).toEqual(['192.0.2.2', '2001:db8::1'])
  })

  it('takes the same changes twice without harm', async () => {
    await subject.publisher.resync(all, signal)
    for (const _ of [1, 2]) await publish(change('granted', '192.0.2.1'), change('granted', '192.0.2.2'))
    for (const _ of [1, 2]) await publish(change('ended', '192.0.2.1'))
    expect(await subject.read()).toEqual(['192.0.2.2'])
  })

  it('begins with the whole table where no resync came first', async () => {
    table.add('192.0.2.9')
    await publish(change('granted', '192.0.2.1'))
    expect(await subject.read()).toEqual(['192.0.2.1', '192.0.2.9'])
  })

  it('is made equal to the table by a resync, whatever it held', async () => {
    await publish(change('granted', '192.0.2.1'), change('granted', '192.0.2.2'))
    table.clear()
    table.add('192.0.2.3')
    await subject.publisher.resync(all, signal)
    expect(await subject.read()).toEqual(['192.0.2.3'])
  })

  it('equals the table after any changes', async () => {
    const texts = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2']
    const changes = fc.array(
      fc.record({ kind: fc.constantFrom('granted' as const, 'ended' as const), text: fc.constantFrom(...texts) }),
      { minLength: 1, maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(changes, async (batch) => {
        await publish(...batch.map(({ kind, text }) => change(kind, text)))
        expect(await subject.read()).toEqual([...table].sort())
      }),
      { numRuns: 40 },
    )
  })

  it('fails with a retryable error where its directory is gone, and comes back when it is there again', async () => {
    await publish(change('granted', '192.0.2.1'))
    await rename(directory, `${directory}.away`)
    await expect(publish(change('granted', '192.0.2.2'))).rejects.toMatchObject({
      name: 'PublishError',
      retryable: true,
    })
    await rename(`${directory}.away`, directory)
    await publish()
    expect(await subject.read()).toEqual(['192.0.2.1', '192.0.2.2'])
  })

  it('is empty of logins after it was closed, and whole again after a resync', async () => {
    await publish(change('granted', '192.0.2.1'), change('granted', '2001:db8::1'))
    await subject.publisher.closeAll(signal)
    expect(await subject.read()).toEqual([])
    await subject.publisher.resync(all, signal)
    expect(await subject.read()).toEqual(['192.0.2.1', '2001:db8::1'])
  })

  it('gives up when it is told to, and leaves the copy as it was', async () => {
    await publish(change('granted', '192.0.2.1'))
    const given = new AbortController()
    given.abort()
    table.add('192.0.2.2')
    await expect(subject.publisher.resync(all, given.signal)).rejects.toThrow()
    expect(await subject.read()).toEqual(['192.0.2.1'])
  })
}

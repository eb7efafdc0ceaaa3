/** What one login and ten thousand cost to publish into maps of a million entries, against the 2002 way: the whole map made anew for each. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Authorization, TableChange } from '../src/core/authorization.ts'
import type { ClientAddress } from '../src/core/client-address.ts'
import { systemClock } from '../src/lib/clock.ts'
import { PostfixMapPublisher } from '../src/publishers/postfix-map/postfix-map-publisher.ts'
import type { Publisher } from '../src/publishers/publisher.ts'
import { SendmailAccessPublisher } from '../src/publishers/sendmail-access/sendmail-access-publisher.ts'
import { mapTools } from '../test/support/makemap.ts'
import { noPostmap, postfixTools } from '../test/support/postmap.ts'
import { count, median, report } from './measure.ts'

const ENTRIES = 1_000_000
const BURST = 10_000
const SINGLES = 5
/** As the table hands out its authorizations. */
const SLICE = 100

const addressOf = (i: number) => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}` as ClientAddress
const signal = new AbortController().signal

/** A table that grows as it is told. */
class Table {
  #count: number

  constructor(entries: number) {
    this.#count = entries
  }

  async *all(): AsyncGenerator<Authorization[]> {
    for (let start = 0; start < this.#count; start += SLICE) {
      const length = Math.min(SLICE, this.#count - start)
      yield Array.from({ length }, (_, i) => ({ address: addressOf(start + i), reason: 'login', users: [] }))
      await nextTurn()
    }
  }

  grant(howMany: number): TableChange[] {
    const first = this.#count
    this.#count += howMany
    return Array.from({ length: howMany }, (_, i) => ({
      kind: 'granted',
      address: addressOf(first + i),
      atMs: 0,
      reason: 'login',
    }))
  }
}

/** Prints what publishing costs. */
export async function publish(directory: string, scale: number): Promise<void> {
  const entries = Math.round(ENTRIES * scale)
  const rows: string[][] = []
  for (const [name, make] of Object.entries(await publishers(directory))) {
    const home = join(directory, 'map')
    mkdirSync(home)
    await using publisher = await make(home)
    const table = new Table(entries)
    const all = () => table.all()
    const wholeMs = await timed(() => publisher.resync(all, signal))
    const singlesMs: number[] = []
    for (let i = 0; i < SINGLES; i++) {
      const changes = table.grant(1)
      singlesMs.push(await timed(() => publisher.publish(changes, all, signal)))
    }
    const burst = table.grant(BURST)
    const burstMs = await timed(() => publisher.publish(burst, all, signal))
    const oneMs = median(singlesMs)
    rows.push([name, ...[wholeMs, oneMs, burstMs].map(inMs), inMs(wholeMs / oneMs).replace(' ms', '')])
    rmSync(home, { recursive: true })
  }
  const titles = ['map', 'made anew', '1 login', `${count(BURST)} logins`, 'made anew / 1 login']
  report(`Publishing into maps of ${count(entries)} entries`, titles, rows, [
    '"made anew" is what each login cost the POPauthd of 2002, with its text file.',
    ...(noPostmap === undefined ? [] : [`lmdb was left out: ${noPostmap}`]),
  ])
}

async function publishers(directory: string): Promise<Record<string, (home: string) => Promise<Publisher>>> {
  const clock = systemClock
  const rights = { mode: 0o644 }
  const common = { rights, ipv6Prefix: 128, stateDirectory: directory, clock }
  const postfix = (mapType: 'lmdb' | 'cdb', command: readonly string[]) => async (home: string) =>
    new PostfixMapPublisher({ ...common, path: join(home, 'map'), mapType, command })
  const cdb = { 'Postfix cdb, by popauthd': postfix('cdb', []) }
  const sendmail = { 'sendmail hash, makemap': (home: string) => sendmailAccess(home, directory) }
  if (noPostmap !== undefined) return { ...cdb, ...sendmail }
  const tools = join(directory, 'postfix')
  mkdirSync(tools)
  return { 'Postfix lmdb, postmap': postfix('lmdb', (await postfixTools(tools)).command), ...cdb, ...sendmail }
}

async function sendmailAccess(home: string, stateDirectory: string): Promise<Publisher> {
  const { makemapCommand, editmapCommand } = await mapTools(home)
  const files = { enabled: true, path: join(home, 'access'), mapType: 'hash', makemapCommand, editmapCommand }
  const config = { ...files, taggedKeys: true, gatherMilliseconds: 0, writeInfo: false }
  const parts = { clock: systemClock, isKnown: () => false, notice: () => {} }
  return new SendmailAccessPublisher({ config, always: [], ipv6Prefix: 128, stateDirectory, ...parts })
}

async function timed(action: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await action()
  return performance.now() - startMs
}

const inMs = (ms: number) => `${ms >= 100 ? count(Math.round(ms)) : ms.toPrecision(2)} ms`

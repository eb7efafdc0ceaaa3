// A sendmail access map of its own for each test, and publishers of it. Importing this sets it up.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SendmailAccessConfig } from '../../src/config/config.ts'
import type { Authorization, TableChange, UserLogin } from '../../src/core/authorization.ts'
import { type ClientAddress, type Network, parseClientAddress, parseNetwork } from '../../src/core/client-address.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { SendmailAccessPublisher } from '../../src/publishers/sendmail-access/sendmail-access-publisher.ts'
import { type MapTools, mapTools } from './makemap.ts'

export const address = (text: string) => parseClientAddress(text) as ClientAddress
/** When all happens, unless the test moves the clock. */
export const AT = new Date(2024, 2, 6, 8, 29, 3).getTime()
/** A login of that user. */
const user = (name: string): UserLogin => ({
  user: name,
  lastMs: AT,
  firstMs: AT,
  service: 'pop3',
  server: 'test',
  refused: false,
})
/** A change of the address by that user. */
export const change = (kind: TableChange['kind'], text: string, name = 'alice'): TableChange => ({
  kind,
  address: address(text),
  atMs: AT,
  reason: 'login',
  user: name,
})

/** Where everything of this test lies. */
export let home: string
/** The text file; the map is beside it. */
export let path: string
export let tools: MapTools
export let clock: ManualClock
/** What the publishers told. */
export let notices: string[]
/** Publishers that are closed at the end of the test. */
export const made: SendmailAccessPublisher[] = []
/** Never aborts. */
export const signal = new AbortController().signal
/** Users by address: what `all` tells of. */
export const table = new Map<string, string[]>()
export const all = (): Authorization[][] => [
  [...table].map(([text, names]) => ({ address: address(text), reason: 'login', users: names.map(user) })),
]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'popauthd-'))
  await mkdir(join(home, 'mail'))
  path = join(home, 'mail', 'access')
  tools = await mapTools(home)
  clock = new ManualClock(AT)
  notices = []
  table.clear()
})
afterEach(async () => {
  for (const publisher of made.splice(0)) await publisher[Symbol.asyncDispose]()
  await rm(home, { recursive: true })
})

/** A publisher of that map. */
export function make(
  config: Partial<SendmailAccessConfig> = {},
  more: { known?: string[]; always?: string[]; ipv6Prefix?: number } = {},
): SendmailAccessPublisher {
  const publisher = new SendmailAccessPublisher({
    config: {
      enabled: true,
      path,
      mapType: 'hash',
      makemapCommand: tools.makemapCommand,
      editmapCommand: tools.editmapCommand,
      taggedKeys: true,
      gatherMilliseconds: 0,
      writeInfo: true,
      ...config,
    },
    always: (more.always ?? []).map((text) => parseNetwork(text) as Network),
    ipv6Prefix: more.ipv6Prefix ?? 128,
    stateDirectory: join(home, 'state'),
    clock,
    isKnown: (known) => more.known?.includes(known) === true,
    notice: (message, fields) => notices.push(`${message} ${JSON.stringify(fields)}`),
  })
  made.push(publisher)
  return publisher
}
/** The text file, or one beside it. */
export const read = (suffix = '') => readFile(path + suffix, 'utf8')
/** Entries of the map. */
export const map = () => tools.dump(path)
/** Entries of the text, as makemap would take them. */
export const entries = async () => (await read()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
/** Fails where the map is not that of its text. */
export async function expectTextAndMapAgree(): Promise<void> {
  const lines = (await entries()).map((line) => line.replace(/^(\S+)\s+/, (_, key: string) => `${key.toLowerCase()} `))
  expect(lines.sort()).toEqual(await map())
}

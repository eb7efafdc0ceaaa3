/** Real MTAs and what lets their clients relay, each in a laboratory of its own, for the benchmark `rcpt`. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { Lifecycle } from '../src/lib/lifecycle.ts'
import { type Lab, openLab } from '../test/support/lab.ts'
import type { LabHost } from '../test/support/netns.ts'
import { blocksOf } from '../test/support/page-blocks.ts'
import { startPostfix } from '../test/support/postfix.ts'
import { postfixTools } from '../test/support/postmap.ts'
import { ensureRoot } from '../test/support/roots.ts'
import { mustRun } from '../test/support/run.ts'
import { startSendmail } from '../test/support/sendmail.ts'
import { waitFor } from '../test/support/wait-for.ts'
import { prepareHost } from './daemon.ts'
import { Design2002 } from './design-2002.ts'
import { addressOf } from './filled-table.ts'

/** The client's own address; those from which it asks are all of 10.0.0.0/8. */
const CLIENT = '198.51.100.7'
const FIRST_MAP_TIMEOUT_MS = 300_000

/** A way to let a client relay after its login. */
export interface Way {
  readonly name: string
  /** live: the MTA asks. file: popauthd keeps a map. 2002: the design that popauthd comes from. */
  readonly kind: 'live' | 'file' | '2002'
  /** True where each login makes all of a map anew. */
  readonly wholeMap: boolean
  /** Starts the MTA and what keeps its clients, with `entries` addresses that may relay; works in `directory`. */
  readonly start: (lab: Lab, directory: string, entries: number) => Promise<Started>
}

/** `logPath`: the log that is followed. */
interface Started extends AsyncDisposable {
  readonly logPath: string
}

/** Each way that is measured. Another one is one more line here and a function as those below. */
export const WAYS: readonly Way[] = [
  { name: 'Postfix, asks live (socket map)', kind: 'live', wholeMap: false, start: postfixLive },
  { name: 'sendmail, asks live (socket map)', kind: 'live', wholeMap: false, start: sendmailLive },
  { name: 'Postfix, lmdb map of popauthd', kind: 'file', wholeMap: false, start: postfixFile },
  { name: 'sendmail, access map of popauthd', kind: 'file', wholeMap: true, start: sendmailFile },
  { name: 'sendmail, the design of 2002', kind: '2002', wholeMap: true, start: sendmail2002 },
]

/** A way under measurement. */
export interface RcptContender extends AsyncDisposable {
  readonly way: Way
  readonly client: LabHost
  readonly logPath: string
}

/** Starts one in a laboratory of its own; `directory` is made, and removed again. */
export async function startContender(way: Way, directory: string, entries: number): Promise<RcptContender> {
  const parts = new Lifecycle()
  const close = () => parts[Symbol.asyncDispose]()
  try {
    const lab = parts.use(await openLab())
    mkdirSync(directory)
    parts.defer(() => rmSync(directory, { recursive: true }))
    const client = await lab.addClient(CLIENT)
    await lendAddresses(lab, client)
    const { logPath } = parts.use(await way.start(lab, directory, entries))
    return { way, client, logPath, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

/** All of 10.0.0.0/8 are the client's, without an `ip addr add` for each, and the server reaches them by way of one neighbor. */
async function lendAddresses(lab: Lab, client: LabHost): Promise<void> {
  await mustRun('ip', ['-n', client.namespace, 'route', 'add', 'local', '10.0.0.0/8', 'dev', 'lo'])
  const route = ['10.0.0.0/8', 'via', CLIENT, 'dev', 'eth0', 'onlink']
  await mustRun('ip', ['-n', lab.server.namespace, 'route', 'add', ...route])
}

// A client that asks until it may is told no very often: Postfix would close its session after 20 times. And after a hundred recipients that were
// accepted for no message in the end, it would let each further one wait a second (in_flow_delay).
const PATIENT = 'in_flow_delay = 0\nsmtpd_soft_error_limit = 1000000\nsmtpd_hard_error_limit = 1000000\n'

const postfixPage = blocksOf('postfix.md')

async function postfixLive(lab: Lab, directory: string, entries: number): Promise<Started> {
  const mainCf = PATIENT + postfixPage('socketmap')
  const { root, socketDirectory } = await startPostfix(lab, { mainCf })
  const lookups = [
    { protocol: 'socketmap', socket: `${socketDirectory}/map.sock`, group: await root.groupId('postfix') },
  ]
  return startPopauthd(directory, entries, { lookups })
}

/** Postfix is started once its map is there. */
async function postfixFile(lab: Lab, directory: string, entries: number): Promise<Started> {
  const { maps } = parse(postfixPage('popauthd map')) as { maps: [{ path: string }] }
  const [map] = maps
  const home = `${lab.shared}/mail/postfix`
  mkdirSync(home)
  await ensureRoot('postfix')
  const { command } = await postfixTools(home)
  const path = `${home}/authorized`
  const popauthd = await startPopauthd(directory, entries, { maps: [{ ...map, path, command }] })
  try {
    await waitFor('the map', () => existsSync(`${path}.lmdb`) || undefined, { timeoutMs: FIRST_MAP_TIMEOUT_MS })
    await startPostfix(lab, { mainCf: PATIENT + postfixPage('map', { [map.path]: path }) })
    return popauthd
  } catch (error) {
    await popauthd[Symbol.asyncDispose]()
    throw error
  }
}

async function sendmailLive(lab: Lab, directory: string, entries: number): Promise<Started> {
  const socket = `${lab.shared}/run/popauthd/sendmail.sock`
  await startSendmail(lab, { popauthd: socket })
  return startPopauthd(directory, entries, { socketmap: { socket, mode: '0666' } })
}

async function sendmailFile(lab: Lab, directory: string, entries: number): Promise<Started> {
  const { accessConfig } = await startSendmail(lab)
  return startPopauthd(directory, entries, { sendmail_access: accessConfig, socketmap: { enabled: false } })
}

async function sendmail2002(lab: Lab, directory: string, entries: number): Promise<Started> {
  const { accessPath, makemapCommand: makemap } = await startSendmail(lab)
  const logPath = join(directory, 'messages')
  writeFileSync(logPath, '')
  const addresses = Array.from({ length: entries }, (_, n) => addressOf(n))
  const daemon = await Design2002.start({ logPath, accessPath, makemap, addresses })
  return { logPath, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() }
}

async function startPopauthd(
  directory: string,
  entries: number,
  options: Readonly<Record<string, unknown>>,
): Promise<Started> {
  const daemon = (await prepareHost(directory, entries, options)).spawn()
  await daemon.ready()
  return daemon
}

/** One connection to a Whoson source: commands in, answers out, in their order. LOGIN and LOGOUT are answered once they are in the table's file. */
import type { Socket } from 'node:net'
import type { Verdict } from '../../core/authorization.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import type { AddressLogout, Login } from '../../core/login.ts'
import {
  type WhosonCommand,
  WhosonDecoder,
  type WhosonFault,
  whosonAnswer,
  whosonQueryAnswer,
} from '../../core/whoson.ts'
import type { Clock } from '../../lib/clock.ts'
import { inTime } from '../../lib/in-time.ts'
import type { CommitQueue } from '../commit-queue.ts'
import { type Conversation, STALL_MS } from '../stream-listener.ts'
import type { WhosonTally } from './tally.ts'

/** The server of logins that were told so. */
const SERVER = 'whoson'
/** Nobody's login should hang on popauthd: what is not recorded by then still waits, and is answered with an error. */
const ANSWER_MS = 2000

/** What a LOGIN or a LOGOUT comes to. */
export type Told = { readonly login: Login } | { readonly logout: AddressLogout }

/** What the connections of a source share. */
export interface DialogParts {
  readonly queue: CommitQueue<Told>
  readonly tally: WhosonTally
  readonly clock: Clock
  readonly lookup: (address: ClientAddress) => Verdict | undefined
}

/** See the head of this file. */
export class WhosonDialog implements Conversation {
  readonly #decoder = new WhosonDecoder()
  readonly #socket: Socket
  readonly #sender: string
  readonly #parts: DialogParts
  /** Of the last LOGIN or LOGOUT: a QUERY sees what was told before it. */
  #recording: Promise<unknown> | undefined

  constructor(socket: Socket, sender: string, parts: DialogParts) {
    this.#socket = socket
    this.#sender = sender
    this.#parts = parts
  }

  get partial(): boolean {
    return this.#decoder.partial
  }

  async take(bytes: Buffer): Promise<number | 'over'> {
    const answers: Promise<string>[] = []
    let isOver = false
    for (const request of this.#decoder.push(bytes)) {
      answers.push(this.#answer(request))
      isOver = 'verb' in request && request.verb === 'QUIT'
      if (isOver) break
    }
    if (answers.length > 0 && !(await this.#say((await Promise.all(answers)).join('')))) return 'over'
    return isOver ? 'over' : answers.length
  }

  /** False where the peer does not read: it takes a place, and nothing more comes of it. */
  async #say(text: string): Promise<boolean> {
    const { tally, clock } = this.#parts
    if ((await inTime(write(this.#socket, text), STALL_MS, clock)) !== 'late') return true
    tally.trouble('connections_timed_out', `closed a connection from ${this.#sender}: it does not read its answers`)
    return false
  }

  async #answer(request: WhosonCommand | WhosonFault): Promise<string> {
    const { tally, clock, lookup } = this.#parts
    if ('fault' in request) {
      tally.trouble('refused', `a command from ${this.#sender} gives nothing: ${request.why}`)
      return whosonAnswer('*', request.why)
    }
    if (request.verb === 'QUIT') return whosonAnswer('+', 'bye')
    const { verb, address } = request
    if (verb === 'QUERY') {
      tally.counts.queries++
      await this.#recording
      return whosonQueryAnswer(lookup(address))
    }
    const common = { address, server: SERVER, atMs: clock.now() }
    if (verb === 'LOGOUT') return await this.#record({ logout: common }, 'LOGOUT')
    // Where no user is told the address stands for one: limits count per user, and these are not all the same.
    const user = request.user === '' ? address : request.user
    return await this.#record({ login: { ...common, user, service: 'any' } }, 'LOGIN')
  }

  async #record(told: Told, verb: 'LOGIN' | 'LOGOUT'): Promise<string> {
    const { queue, tally, clock } = this.#parts
    tally.counts[verb === 'LOGIN' ? 'logins' : 'logouts']++
    const recording = inTime(queue.push(told), ANSWER_MS, clock)
    this.#recording = recording
    const how = await recording
    if (how === 'recorded') return whosonAnswer('+', `${verb} recorded`)
    if (how === 'late') return whosonAnswer('*', `${verb} is not recorded yet`)
    tally.trouble(
      'dropped',
      `a ${verb} was dropped: popauthd stops, or nothing can be recorded (see the errors before)`,
    )
    return whosonAnswer('*', `${verb} is not recorded, try again`)
  }
}

/** Resolves when the kernel has it; a peer that does not read is not read from. @throws where the connection is over */
function write(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!socket.writable) return reject(new Error('the connection is over'))
    socket.write(text, 'latin1', (error) => (error ? reject(error) : resolve()))
  })
}

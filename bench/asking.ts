/** Questions of MTAs in three protocols, and clients that ask them and check each answer. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { encodeNetstring } from '../src/lib/netstring.ts'
import { addressOf } from './filled-table.ts'

/** Bytes to send and the bytes that must come back. */
export interface Question {
  readonly request: Buffer
  readonly answer: Buffer
}

export type ProtocolName = 'socketmap' | 'policy' | 'readsocket'

type Spelling = (address: string, isKnown: boolean) => Question

const question = (request: string, answer: string): Question => ({
  request: Buffer.from(request, 'latin1'),
  answer: Buffer.from(answer, 'latin1'),
})

/** How each protocol asks. The policy request is one of Postfix 3.7's, with all its attributes. */
const SPELLINGS: Readonly<Record<ProtocolName, Spelling>> = {
  socketmap: (address, isKnown) =>
    question(encodeNetstring(`postfix ${address}`), encodeNetstring(isKnown ? 'OK RELAY' : 'NOTFOUND ')),
  policy: (address, isKnown) => question(policyRequest(address), `action=${isKnown ? 'OK' : 'DUNNO'}\n\n`),
  readsocket: (address, isKnown) => question(`check ${address}\n`, isKnown ? 'OK' : 'NO'),
}

/** `total` questions, every second one about an address among the first `entries`. */
export function questions(protocol: ProtocolName, entries: number, total: number): Question[] {
  return Array.from({ length: total }, (_, i) => {
    const isKnown = i % 2 === 0
    const n = Math.abs(Math.imul(i + 1, 7_919 * 31)) % entries
    return SPELLINGS[protocol](addressOf(isKnown ? n : n + 4_000_000), isKnown)
  })
}

/** The same where each answer is the request: for an echo server. */
export const echoed = (of: readonly Question[]): Question[] => of.map(({ request }) => ({ request, answer: request }))

/** `size` questions as one. */
export function inBatches(of: readonly Question[], size: number): Question[] {
  const batches: Question[] = []
  for (let at = 0; at < of.length; at += size) {
    const some = of.slice(at, at + size)
    batches.push({
      request: Buffer.concat(some.map(({ request }) => request)),
      answer: Buffer.concat(some.map(({ answer }) => answer)),
    })
  }
  return batches
}

/** One connection that stays open. */
export class Asker implements Disposable {
  readonly #socket: Socket
  #pieces: Buffer[] = []
  #bytes = 0
  #wanted: Buffer | undefined
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => this.#settle?.reject(new Error('the server closed the connection')))
  }

  static async connect(path: string): Promise<Asker> {
    const socket = createConnection(path)
    await once(socket, 'connect')
    return new Asker(socket)
  }

  /** Resolves when the whole answer has come. @throws {Error} where it is a wrong one */
  ask({ request, answer }: Question): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wanted = answer
      this.#settle = { resolve, reject }
      this.#socket.write(request)
    })
  }

  #take(chunk: Buffer): void {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    const { length } = this.#wanted ?? chunk
    if (this.#bytes < length) return
    const told = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    if (this.#wanted?.equals(told)) this.#settle?.resolve()
    else this.#settle?.reject(new Error(`a wrong answer: ${told.toString('latin1').slice(0, 200)}`))
  }

  [Symbol.dispose](): void {
    this.#settle = undefined
    this.#socket.destroy()
  }
}

/** One question on a connection of its own, as Exim asks. @throws {Error} where the answer is a wrong one */
export function askOnce(path: string, { request, answer }: Question): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    const pieces: Buffer[] = []
    socket.on('data', (chunk: Buffer) => void pieces.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => {
      if (Buffer.concat(pieces).equals(answer)) resolve()
      else reject(new Error(`a wrong answer: ${Buffer.concat(pieces).toString('latin1')}`))
    })
    socket.end(request)
  })
}

function policyRequest(address: string): string {
  return `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=${address}
client_name=unknown
client_port=52834
reverse_client_name=unknown
server_address=192.0.2.25
server_port=25
helo_name=laptop.example.org
sender=somebody@example.com
recipient=someone.else@elsewhere.example.net
recipient_count=0
queue_id=
instance=2a1f.65f1c2d4.1e8f4.0
size=2048
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=

`
}

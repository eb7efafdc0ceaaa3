/** Serves one protocol of lookups on a UDP port: one datagram is one request, and one answer at most goes back, where there is room for it at once. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { PortConfig } from '../config/config.ts'
import { reasonOf, SocketError } from '../errors.ts'
import type { Lookup, Protocol, Responder } from './responder.ts'

/** Answers that wait for the kernel at most; UDP may lose any, and who asked asks again. */
const MOST_WAITING = 256

/** What the server needs. */
interface DatagramOptions {
  readonly protocol: Protocol & Required<Pick<Protocol, 'datagram'>>
  readonly at: PortConfig
  readonly lookup: Lookup
}

/** One protocol on one UDP port. `connections` of its counts stays 0. */
export class DatagramServer implements Responder {
  readonly name: string
  readonly counts = { lookups: 0, authorized: 0, connections: 0 }
  readonly #options: DatagramOptions
  #socket: Socket | undefined

  constructor(options: DatagramOptions) {
    this.name = options.protocol.name
    this.#options = options
  }

  /** The port that it listens on; undefined before the start. */
  get port(): number | undefined {
    return this.#socket?.address().port
  }

  async start(): Promise<void> {
    const { address, port } = this.#options.at
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(bindError(this.#options.at, error))
      })
      socket.bind({ address, port, exclusive: true }, () => resolve())
    })
    // An answer that could not be delivered concerns nobody else.
    socket.removeAllListeners('error').on('error', () => {})
    socket.on('message', (datagram, from) => this.#take(socket, datagram, from))
    this.#socket = socket
  }

  #take(socket: Socket, datagram: Buffer, from: RemoteInfo): void {
    const answer = this.#options.protocol.datagram(datagram, this.#counted)
    if (answer === undefined) return
    this.counts.lookups++
    if (from.port === 0 || socket.getSendQueueCount() >= MOST_WAITING) return
    socket.send(Buffer.from(answer, 'latin1'), from.port, from.address, () => {})
  }

  readonly #counted: Lookup = (address) => {
    const verdict = this.#options.lookup(address)
    if (verdict?.authorized === true) this.counts.authorized++
    return verdict
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }
}

function bindError({ address, port }: PortConfig, cause: NodeJS.ErrnoException): SocketError {
  const mend =
    cause.code === 'EADDRINUSE'
      ? 'stop what listens there (ss -lunp tells who), or choose another port'
      : 'choose an address of this host and a port that the user popauthd runs as may bind'
  return new SocketError(`cannot listen on UDP ${address} port ${port}: ${reasonOf(cause)}`, { mend, cause })
}

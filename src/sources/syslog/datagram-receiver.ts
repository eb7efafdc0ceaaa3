/** Syslog over UDP (RFC 5426): one message a datagram. Nobody can be told to wait: what finds no room is dropped and counted. */
import { createSocket, type Socket } from 'node:dgram'
import { listenError } from '../listen-error.ts'
import type { Mailroom } from './mailroom.ts'
import type { Receiver } from './receiver.ts'

/** The kernel keeps bursts for us, as far as it allows (net.core.rmem_max). */
const KERNEL_BYTES = 4 * 1024 * 1024

/** Where it listens. Anybody who can send there is believed. */
interface DatagramOptions {
  readonly address: string
  /** 0: any free one. */
  readonly port: number
  readonly mailroom: Mailroom
}

/** The receiver of datagrams. */
export class DatagramReceiver implements Receiver {
  readonly #options: DatagramOptions
  #socket: Socket | undefined

  constructor(options: DatagramOptions) {
    this.#options = options
  }

  get place(): string {
    return `udp ${this.#options.address} port ${this.port}`
  }

  /** The port it listens on. */
  get port(): number {
    return this.#socket?.address().port ?? this.#options.port
  }

  async start(): Promise<void> {
    const { address, port } = this.#options
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(listenError('syslog', 'udp', address, port, error))
      })
      socket.bind({ address, port, exclusive: true }, () => resolve())
    })
    socket.removeAllListeners('error').on('error', () => {})
    this.#socket = socket
    try {
      socket.setRecvBufferSize(KERNEL_BYTES)
    } catch {
      // The system's own size will do.
    }
    socket.on('message', (datagram, { address: sender }) => this.#take(datagram, sender))
  }

  #take(datagram: Buffer, sender: string): void {
    const { mailroom } = this.#options
    if (mailroom.offer(datagram, sender)) return
    mailroom.trouble('dropped', 'the table could not keep up with what came by UDP, and a message was dropped')
  }

  async finish(): Promise<void> {
    await this.close()
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }
}

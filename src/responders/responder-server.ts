/** Serves one protocol of lookups on a Unix socket or a TCP port: answers at once from memory, in order, and bounds what a peer can make it hold. */
import { createServer, type Server, type Socket } from 'node:net'
import type { PortConfig, SocketConfig } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import { listenOnPort } from '../lib/tcp-port.ts'
import { listenOnUnixSocket } from '../lib/unix-socket.ts'
import type { Answers, Lookup, Protocol, ProtocolSession, Responder } from './responder.ts'

/** What the server needs. */
interface ResponderOptions {
  readonly protocol: Protocol
  /** Where it listens. */
  readonly at: SocketConfig | PortConfig
  /** Further connections are closed at once; an MTA then treats the lookup as failed. */
  readonly maxConnections: number
  readonly lookup: Lookup
  readonly clock: Clock
  /** Mode of the socket's directory where it has to be made; 0755 unless told, for the MTA's user must get in. */
  readonly directoryMode?: number
  /** A descriptor that listens already, in place of a socket of the server's own. */
  readonly inherited?: number | undefined
}

/** Half a request, or answers that are not taken, are waited for this long: sendmail's own limit on a read or write. */
export const STALL_MS = 30_000
const NOTHING: Answers = { answers: '', requests: 0, isOver: true }
const SWEEP_MS = 10_000
const CLOSE_GRACE_MS = 1000

/** An MTA's connection may idle for ever; one whose host has gone is noticed by probes. */
const LASTING = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

interface Connection {
  readonly socket: Socket
  readonly session: ProtocolSession
  /** Since when half a request, or untaken answers, wait; undefined: idle, which may last for ever. */
  stalledSinceMs: number | undefined
}

/** One protocol on one socket. */
export class ResponderServer implements Responder {
  readonly name: string
  readonly counts = { lookups: 0, authorized: 0, connections: 0 }
  readonly #options: ResponderOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #stopSweeping: (() => void) | undefined

  constructor(options: ResponderOptions) {
    this.name = options.protocol.name
    this.#options = options
    this.#server = createServer(LASTING, (socket) => this.#accept(socket))
    this.#server.maxConnections = options.maxConnections
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#connections.size
  }

  /** The port that it listens on; undefined for a Unix socket. */
  get port(): number | undefined {
    const address = this.#server.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  async start(): Promise<void> {
    const { at, directoryMode = 0o755, inherited } = this.#options
    if ('port' in at) await listenOnPort(this.#server, at)
    else await listenOnUnixSocket(this.#server, { ...at, directoryMode, inherited })
    // Errors of a listening socket (too many open files) concern one connection: it is lost, serving goes on.
    this.#server.on('error', () => {})
    this.#sweepLater()
  }

  #accept(socket: Socket): void {
    this.counts.connections++
    const session = this.#options.protocol.session(this.#counted)
    const isOneShot = this.#options.protocol.isOneShot === true
    const connection: Connection = {
      socket,
      session,
      stalledSinceMs: isOneShot ? this.#options.clock.now() : undefined,
    }
    this.#connections.add(connection)
    socket.on('data', (chunk: Buffer) => this.#read(connection, chunk))
    socket.on('drain', () => this.#drained(connection))
    socket.on('end', () => this.#end(connection))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#connections.delete(connection))
  }

  readonly #counted: Lookup = (address) => {
    const verdict = this.#options.lookup(address)
    if (verdict?.authorized === true) this.counts.authorized++
    return verdict
  }

  #read(connection: Connection, chunk: Buffer): void {
    const { socket, session } = connection
    const wasPartial = session.partial
    const { answers, requests, isOver } = session.push(chunk)
    this.counts.lookups += requests
    const taken = answers === '' || socket.write(answers, 'latin1')
    if (isOver) return void this.#hangUp(connection)
    if (!taken) socket.pause()
    const stalled = !taken || session.partial
    // One unfinished request keeps its age however slowly its bytes drip in.
    if (!stalled) connection.stalledSinceMs = undefined
    else if (!wasPartial || requests > 0) connection.stalledSinceMs = this.#options.clock.elapsedMs()
  }

  /** The peer says no more; in some protocols that ends its request. */
  #end({ socket, session }: Connection): void {
    const { answers, requests } = session.end?.() ?? NOTHING
    this.counts.lookups += requests
    socket.end(answers, 'latin1')
  }

  #drained(connection: Connection): void {
    connection.stalledSinceMs = connection.session.partial ? this.#options.clock.elapsedMs() : undefined
    connection.socket.resume()
  }

  // What was answered still goes out; what follows is not read.
  #hangUp(connection: Connection): void {
    connection.stalledSinceMs = this.#options.clock.elapsedMs()
    connection.socket.removeAllListeners('data')
    connection.socket.removeAllListeners('drain')
    connection.socket.removeAllListeners('end')
    connection.socket.end(() => connection.socket.destroy())
  }

  #sweepLater(): void {
    this.#stopSweeping = this.#options.clock.setTimer(SWEEP_MS, () => {
      const oldest = this.#options.clock.elapsedMs() - STALL_MS
      for (const { socket, stalledSinceMs } of this.#connections) {
        if (stalledSinceMs !== undefined && stalledSinceMs <= oldest) socket.destroy()
      }
      this.#sweepLater()
    })
  }

  /** Takes no more connections, lets answers that were given go out, and removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopSweeping?.()
    if (!this.#server.listening) return
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const { socket } of this.#connections) socket.end(() => socket.destroy())
    const cancel = this.#options.clock.setTimer(CLOSE_GRACE_MS, () => {
      for (const { socket } of this.#connections) socket.destroy()
    })
    await closed
    cancel()
  }
}

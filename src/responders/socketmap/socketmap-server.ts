/** Serves the socket map on a Unix socket: answers at once from memory, in order, and bounds what a peer can make it hold. */
import { createServer, type Server, type Socket } from 'node:net'
import type { SocketConfig } from '../../config/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { encodeNetstring, NetstringDecoder } from '../../lib/netstring.ts'
import { listenOnUnixSocket } from '../../lib/unix-socket.ts'
import type { Lookup, Responder } from '../responder.ts'
import { ANSWERS, answerRequest, MAX_REQUEST_BYTES } from './protocol.ts'

/** What the server needs. */
interface SocketmapOptions extends SocketConfig {
  /** Further connections are closed at once; sendmail then treats the lookup as failed. */
  readonly maxConnections: number
  readonly lookup: Lookup
  readonly clock: Clock
  /** Mode of the socket's directory where it has to be made; 0755 unless told, for sendmail's user must get in. */
  readonly directoryMode?: number
  /** A descriptor that listens already, in place of a socket of the server's own. */
  readonly inherited?: number | undefined
}

/** Half a request, or answers that are not taken, are waited for this long: sendmail's own limit on a read or write. */
export const STALL_MS = 30_000
const SWEEP_MS = 10_000
const CLOSE_GRACE_MS = 1000

interface Connection {
  readonly socket: Socket
  readonly decoder: NetstringDecoder
  /** Since when half a request, or untaken answers, wait; undefined: idle, which may last for ever. */
  stalledSinceMs: number | undefined
}

/** The socket map responder. Its map name is `popauth`. */
export class SocketmapServer implements Responder {
  readonly name = 'socketmap'
  readonly counts = { lookups: 0, authorized: 0, connections: 0 }
  readonly #options: SocketmapOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #stopSweeping: (() => void) | undefined

  constructor(options: SocketmapOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    this.#server.maxConnections = options.maxConnections
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#connections.size
  }

  async start(): Promise<void> {
    const { path, mode, group, directoryMode = 0o755, inherited } = this.#options
    await listenOnUnixSocket(this.#server, { path, mode, group, directoryMode, inherited })
    // Errors of a listening socket (too many open files) concern one connection: it is lost, serving goes on.
    this.#server.on('error', () => {})
    this.#sweepLater()
  }

  #accept(socket: Socket): void {
    this.counts.connections++
    const connection: Connection = {
      socket,
      decoder: new NetstringDecoder(MAX_REQUEST_BYTES),
      stalledSinceMs: undefined,
    }
    this.#connections.add(connection)
    socket.on('data', (chunk: Buffer) => this.#read(connection, chunk))
    socket.on('drain', () => this.#drained(connection))
    socket.on('end', () => socket.end())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#connections.delete(connection))
  }

  #read(connection: Connection, chunk: Buffer): void {
    const { socket, decoder } = connection
    const wasPartial = decoder.partial
    const { payloads, malformed } = decoder.push(chunk)
    const { answers, refused } = this.#answer(payloads)
    const taken = answers === '' || socket.write(answers, 'latin1')
    if (malformed || refused) return void this.#hangUp(connection)
    if (!taken) socket.pause()
    const stalled = !taken || decoder.partial
    // One unfinished request keeps its age however slowly its bytes drip in.
    if (!stalled) connection.stalledSinceMs = undefined
    else if (!wasPartial || payloads.length > 0) connection.stalledSinceMs = this.#options.clock.now()
  }

  #answer(payloads: readonly string[]): { answers: string; refused: boolean } {
    let answers = ''
    for (const payload of payloads) {
      const { answer } = answerRequest(payload, this.#options.lookup)
      if (answer === undefined) return { answers, refused: true }
      this.counts.lookups++
      if (answer === ANSWERS.relay) this.counts.authorized++
      answers += encodeNetstring(answer)
    }
    return { answers, refused: false }
  }

  #drained(connection: Connection): void {
    connection.stalledSinceMs = connection.decoder.partial ? this.#options.clock.now() : undefined
    connection.socket.resume()
  }

  // What was answered still goes out; what follows is not read.
  #hangUp(connection: Connection): void {
    connection.stalledSinceMs = this.#options.clock.now()
    connection.socket.removeAllListeners('data')
    connection.socket.removeAllListeners('drain')
    connection.socket.end(() => connection.socket.destroy())
  }

  #sweepLater(): void {
    this.#stopSweeping = this.#options.clock.setTimer(SWEEP_MS, () => {
      const oldest = this.#options.clock.now() - STALL_MS
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

/**
 * Connections of senders over a Unix socket, TCP, or TLS with client certificates: how many there may be, and how long each may take. What is
 * said on them is a {@link Conversation}. A sender that is faster than it waits: nothing more is read from it.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { SyslogConfig } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import { listenOnUnixSocket } from '../lib/unix-socket.ts'
import { listenError } from './listen-error.ts'
import { tlsServer } from './tls-server.ts'

/** A message that was begun must be whole within this time, however slowly its bytes drip in. */
export const STALL_MS = 60_000
/** A sender may say nothing for a day; while all places are taken, for five minutes. */
export const IDLE_MS = 86_400_000
export const IDLE_WHEN_FULL_MS = 300_000
const SWEEP_MS = 10_000
/** A peer that has vanished without a word is asked after this long. */
const KEEP_ALIVE_MS = 60_000
/** At the end, senders may take this long to notice. */
const FAREWELL_MS = 300
const SOCKET_DIRECTORY_MODE = 0o755

/** One connection's side of a protocol. */
export interface Conversation {
  /** True while a message has begun and not ended. */
  readonly partial: boolean
  /** Takes bytes in; resolves with the number of messages that they ended when it wants more, `over` where the connection is to be closed. */
  take(bytes: Buffer): Promise<number | 'over'>
}

/** Where it listens. */
export type StreamConfig = Exclude<SyslogConfig, { readonly transport: 'tcp' | 'udp' }> | PlainConfig
type PlainConfig = SyslogConfig & { readonly transport: 'tcp' }

/** What the listener needs. */
interface ListenerOptions {
  readonly config: StreamConfig
  readonly clock: Clock
  /** What is listened for, for messages: `syslog`. */
  readonly what: string
  /** True: who has said its last may still be answered. */
  readonly allowHalfOpen?: boolean
  /** Begins a conversation. `sender`: its address, or the path of the socket. */
  readonly converse: (socket: Socket, sender: string) => Conversation
  /** A connection was refused (too many, no certificate) or closed because it took too long. */
  readonly trouble: (kind: 'connections_refused' | 'connections_timed_out', text: string) => void
}

interface Connection {
  readonly socket: Socket
  readonly conversation: Conversation
  readonly sender: string
  /** Since when it lets us wait for more, with a message begun or without; undefined while we let it wait. */
  waitingSinceMs: number | undefined
}

/** The listener. */
export class StreamListener {
  readonly #options: ListenerOptions
  readonly #connections = new Map<Connection, Promise<void>>()
  /** All that were accepted, also those whose TLS handshake is under way. */
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #isClosed: Promise<void> = Promise.resolve()
  #isEnding = false
  #stopSweeping = () => {}

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Where it listens, for people. */
  get place(): string {
    const { config } = this.#options
    return config.transport === 'unix' ? config.path : `${config.transport} ${config.address} port ${this.port}`
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#connections.size
  }

  /** @throws {PopauthdError} where it cannot listen */
  async start(): Promise<void> {
    const { config, trouble, what } = this.#options
    const server = await this.#makeServer()
    server.maxConnections = config.maxConnections
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('drop', () => {
      const text = `refused a connection: ${config.maxConnections} are open already (max_connections)`
      trouble('connections_refused', text)
    })
    this.#server = server
    if (config.transport === 'unix') {
      const { path, mode, group } = config
      await listenOnUnixSocket(server, { path, mode, group, directoryMode: SOCKET_DIRECTORY_MODE })
    } else await listenOnPort(server, what, config)
    this.#isClosed = new Promise((resolve) => server.once('close', () => resolve()))
    // Errors of a listening socket (too many open files) concern one connection: it is lost, serving goes on.
    server.on('error', () => {})
    this.#sweepLater()
  }

  async #makeServer(): Promise<Server> {
    const { config, trouble, allowHalfOpen = false } = this.#options
    const accept = (socket: Socket) => this.#accept(socket)
    if (config.transport !== 'tls') return createServer({ allowHalfOpen }, accept)
    const refused = (text: string) => trouble('connections_refused', text)
    return await tlsServer(config, { accept, refused, allowHalfOpen })
  }

  #accept(socket: Socket): void {
    const { clock, config, converse } = this.#options
    if (this.#isEnding) {
      socket.destroy()
      return
    }
    if (config.transport !== 'unix') socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const sender = config.transport === 'unix' ? config.path : (socket.remoteAddress ?? 'a sender that has gone')
    const conversation = converse(socket, sender)
    const connection = { socket, conversation, sender, waitingSinceMs: clock.elapsedMs() }
    const reading = this.#read(connection)
      .catch(() => {}) // It was reset: whole messages before that count.
      .finally(() => {
        socket.destroy()
        this.#connections.delete(connection)
      })
    this.#connections.set(connection, reading)
  }

  async #read(connection: Connection): Promise<void> {
    const { socket, conversation } = connection
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      const since = connection.waitingSinceMs
      const wasPartial = conversation.partial
      connection.waitingSinceMs = undefined
      const messages = await conversation.take(bytes)
      if (messages === 'over') return
      // One unfinished message keeps its age.
      connection.waitingSinceMs = wasPartial && messages === 0 ? since : this.#options.clock.elapsedMs()
    }
  }

  #sweepLater(): void {
    const { clock, config, trouble } = this.#options
    this.#stopSweeping = clock.setTimer(SWEEP_MS, () => {
      const idleMs = this.open >= config.maxConnections ? IDLE_WHEN_FULL_MS : IDLE_MS
      for (const { socket, conversation, sender, waitingSinceMs } of this.#connections.keys()) {
        const ageMs = waitingSinceMs === undefined ? 0 : clock.elapsedMs() - waitingSinceMs
        if (socket.destroyed || ageMs < (conversation.partial ? STALL_MS : idleMs)) continue
        const why = conversation.partial ? 'a message was begun and not ended' : 'nothing came for too long'
        trouble('connections_timed_out', `closed a connection from ${sender}: ${why}`)
        socket.destroy()
      }
      this.#sweepLater()
    })
  }

  /** Tells each sender that this is the end, and still takes in what it had sent by then: most notice, and keep the rest. */
  async finish(): Promise<void> {
    this.#isEnding = true
    this.#stopSweeping()
    if (this.#server?.listening) this.#server.close()
    const reading = [...this.#connections.values()]
    for (const { socket } of this.#connections.keys()) socket.end()
    const cancel = this.#options.clock.setTimer(FAREWELL_MS, () => this.#reset())
    await Promise.all(reading)
    cancel()
    await this.close()
  }

  /**
   * Ends connections with RST: over TLS, rsyslog and syslog-ng do not look for the end of a connection, and would write their next message into
   * one that has only been closed. A reset makes that write fail, and they keep the message.
   */
  #reset(): void {
    const isTcp = this.#options.config.transport !== 'unix'
    for (const socket of this.#sockets) {
      if (isTcp && !socket.destroyed) socket.resetAndDestroy()
      else socket.destroy()
    }
  }

  /** Drops everything at once. */
  async close(): Promise<void> {
    this.#isEnding = true
    this.#stopSweeping()
    if (this.#server?.listening) this.#server.close()
    this.#reset()
    for (const { socket } of this.#connections.keys()) socket.destroy()
    await this.#isClosed
  }
}

function listenOnPort(server: Server, what: string, config: Exclude<StreamConfig, { transport: 'unix' }>) {
  const { transport, address, port } = config
  return new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(what, transport, address, port, error)))
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

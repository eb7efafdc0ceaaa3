/**
 * Syslog over connections: Unix stream socket, TCP (RFC 6587), TLS with client certificates (RFC 5425). A sender that is faster than the table
 * waits: nothing more is read from it. What a sender can make us hold is bounded, and so is how long it may take over a message.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { SyslogConfig } from '../../config/config.ts'
import { reasonOf, SourceError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { listenOnUnixSocket } from '../../lib/unix-socket.ts'
import { FrameDecoder, type Framing } from './frames.ts'
import { listenError } from './listen-error.ts'
import type { Mailroom } from './mailroom.ts'
import type { Receiver } from './receiver.ts'

/** A message that was begun must be whole within this time, however slowly its bytes drip in. */
export const STALL_MS = 60_000
/** A sender may say nothing for a day; while all places are taken, for five minutes. */
export const IDLE_MS = 86_400_000
export const IDLE_WHEN_FULL_MS = 300_000
const SWEEP_MS = 10_000
const HANDSHAKE_MS = 10_000
/** A peer that has vanished without a word is asked after this long. */
const KEEP_ALIVE_MS = 60_000
/** At the end, senders may take this long to notice. */
const FAREWELL_MS = 300
const SOCKET_DIRECTORY_MODE = 0o755

/** A receiver with connections, as configured. */
type StreamConfig = Exclude<SyslogConfig, { readonly transport: 'tcp' | 'udp' }> | (SyslogConfig & { transport: 'tcp' })

/** What the receiver needs. */
interface StreamOptions {
  readonly config: StreamConfig
  readonly mailroom: Mailroom
  readonly clock: Clock
}

interface Connection {
  readonly socket: Socket
  readonly decoder: FrameDecoder
  readonly sender: string
  /** Since when it lets us wait for more, with a message begun or without; undefined while we let it wait. */
  waitingSinceMs: number | undefined
}

/** The receiver. */
export class StreamReceiver implements Receiver {
  readonly #options: StreamOptions
  readonly #framing: Framing
  readonly #connections = new Map<Connection, Promise<void>>()
  /** All that were accepted, also those whose TLS handshake is under way. */
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #isClosed: Promise<void> = Promise.resolve()
  #isEnding = false
  #stopSweeping = () => {}

  constructor(options: StreamOptions) {
    this.#options = options
    this.#framing = options.config.transport === 'tls' ? 'octet-counting' : 'either'
  }

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

  async start(): Promise<void> {
    const { config, mailroom } = this.#options
    const server = config.transport === 'tls' ? await this.#tlsServer(config) : createServer((one) => this.#accept(one))
    server.maxConnections = config.maxConnections
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('drop', () => {
      const text = `refused a connection: ${config.maxConnections} are open already (max_connections)`
      mailroom.trouble('connections_refused', text)
    })
    this.#server = server
    if (config.transport === 'unix') {
      const { path, mode, group } = config
      await listenOnUnixSocket(server, { path, mode, group, directoryMode: SOCKET_DIRECTORY_MODE })
    } else await listenOnPort(server, config.transport, config.address, config.port)
    this.#isClosed = new Promise((resolve) => server.once('close', () => resolve()))
    // Errors of a listening socket (too many open files) concern one connection: it is lost, serving goes on.
    server.on('error', () => {})
    this.#sweepLater()
  }

  async #tlsServer(config: SyslogConfig & { transport: 'tls' }): Promise<Server> {
    const { mailroom } = this.#options
    const [cert, key, ca] = await Promise.all([config.certificate, config.key, config.clientCa].map(readPem))
    try {
      const server = createTlsServer({
        ...{ cert, key, ca },
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_MS,
      })
      server.on('secureConnection', (socket) => this.#acceptTls(socket, config.clientNames))
      server.on('tlsClientError', (error, socket) => {
        const text = `refused a connection from ${socket.remoteAddress ?? 'a sender that has gone'}: ${tlsReason(error)}`
        mailroom.trouble('connections_refused', text)
        socket.destroy()
      })
      return server
    } catch (error) {
      const files = `${config.certificate}, ${config.key} and ${config.clientCa}`
      throw new SourceError(`cannot use the certificates in ${files}: ${reasonOf(error)}`, {
        mend: 'they must be PEM files, and the key that of the certificate',
        cause: error,
      })
    }
  }

  /** Only after the handshake, which has checked that the certificate is of a known authority, for a client, and in time. */
  #acceptTls(socket: TLSSocket, names: readonly string[]): void {
    const certificate = socket.getPeerX509Certificate()
    const isNamed = names.some((name) => certificate?.checkHost(name, { wildcards: false }) !== undefined)
    if (socket.authorized && certificate !== undefined && (names.length === 0 || isNamed)) {
      this.#accept(socket)
      return
    }
    const who = certificate?.subject?.replaceAll('\n', ', ') ?? 'without a name'
    const text = `refused a connection from ${socket.remoteAddress}: its certificate (${who}) has none of the client_names`
    this.#options.mailroom.trouble('connections_refused', text)
    socket.destroy()
  }

  #accept(socket: Socket): void {
    const { clock, config, mailroom } = this.#options
    if (this.#isEnding) {
      socket.destroy()
      return
    }
    mailroom.counts.connections++
    if (config.transport !== 'unix') socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const decoder = new FrameDecoder({ framing: this.#framing, maxFrameBytes: mailroom.maxFrameBytes })
    const sender = config.transport === 'unix' ? config.path : (socket.remoteAddress ?? 'a sender that has gone')
    const connection = { socket, decoder, sender, waitingSinceMs: clock.elapsedMs() }
    const reading = this.#read(connection)
      .catch(() => {}) // It was reset: whole messages before that count.
      .finally(() => {
        socket.destroy()
        this.#connections.delete(connection)
      })
    this.#connections.set(connection, reading)
  }

  async #read(connection: Connection): Promise<void> {
    const { clock, mailroom } = this.#options
    const { socket, decoder, sender } = connection
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      const since = connection.waitingSinceMs
      const wasPartial = decoder.partial
      let frames = 0
      for (const frame of decoder.push(bytes)) {
        connection.waitingSinceMs = undefined
        frames++
        while (!mailroom.offer(frame, sender)) await mailroom.inbox.room()
      }
      if (decoder.broken !== undefined) {
        const text = `closed a connection from ${sender}, what comes there is no syslog: ${decoder.broken}`
        return mailroom.trouble('connections_broken', text)
      }
      // One unfinished message keeps its age.
      connection.waitingSinceMs = wasPartial && frames === 0 ? since : clock.elapsedMs()
    }
  }

  #sweepLater(): void {
    const { clock, config, mailroom } = this.#options
    this.#stopSweeping = clock.setTimer(SWEEP_MS, () => {
      const idleMs = this.open >= config.maxConnections ? IDLE_WHEN_FULL_MS : IDLE_MS
      for (const { socket, decoder, sender, waitingSinceMs } of this.#connections.keys()) {
        const ageMs = waitingSinceMs === undefined ? 0 : clock.elapsedMs() - waitingSinceMs
        if (socket.destroyed || ageMs < (decoder.partial ? STALL_MS : idleMs)) continue
        const why = decoder.partial ? 'a message was begun and not ended' : 'nothing came for too long'
        mailroom.trouble('connections_timed_out', `closed a connection from ${sender}: ${why}`)
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

  async close(): Promise<void> {
    this.#isEnding = true
    this.#stopSweeping()
    if (this.#server?.listening) this.#server.close()
    this.#reset()
    for (const { socket } of this.#connections.keys()) socket.destroy()
    await this.#isClosed
  }
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new SourceError(`cannot read ${path}: ${reasonOf(error)}`, {
      mend: 'it must be there and readable for the user popauthd runs as',
      cause: error,
    })
  }
}

function listenOnPort(server: Server, transport: string, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(transport, address, port, error)))
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

/** The reason of OpenSSL in words where an operator meets it often. */
function tlsReason(error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'it has no client certificate'
  return error.code === undefined ? error.message : `${error.message} (${error.code})`
}

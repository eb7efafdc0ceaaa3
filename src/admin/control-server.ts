/** Serves the control API on its Unix socket. */
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { SocketConfig } from '../config/config.ts'
import { listenOnUnixSocket } from '../lib/unix-socket.ts'
import { controlApi } from './control-api.ts'
import type { WatchableTarget } from './control-target.ts'

/** Callers at a time; more wait in the kernel's queue. */
const MAX_CONNECTIONS = 64
/** How long a caller may take to send its request. */
const REQUEST_MS = 10_000
/** How long answers that are under way may take once the server stops. */
const CLOSE_MS = 2_000
/** A directory that the server makes: the owner and the group may enter. */
const DIRECTORY_MODE = 0o750

/** The control socket. Disposing it lets answers under way finish, for at most two seconds, and removes the socket. */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server
  readonly #socket: SocketConfig

  constructor(target: WatchableTarget, socket: SocketConfig, onFault: (error: unknown) => void) {
    this.#socket = socket
    const listener = getRequestListener(controlApi(target, onFault).fetch, { overrideGlobalObjects: false })
    this.#server = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: 1000 },
      (request, response) => {
        listener(request, response).catch(onFault)
      },
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** Binds and serves. @throws {SocketError} where the path is too long, is served already, or cannot be bound */
  async start(): Promise<void> {
    const { path, mode, group } = this.#socket
    await listenOnUnixSocket(this.#server, { path, mode, group, directoryMode: DIRECTORY_MODE })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS)
    await closed
    clearTimeout(timer)
  }
}

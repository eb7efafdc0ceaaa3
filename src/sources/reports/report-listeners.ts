/** The two ways in for reports: HTTP over TCP, and JSON lines on a Unix stream socket (the `unix` driver of Dovecot 2.4's event exporter). */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { reasonOf, SocketError } from '../../errors.ts'
import { listenOnUnixSocket } from '../../lib/unix-socket.ts'
import { LineBuffer } from '../line-buffer.ts'

/** Dovecot keeps up to 100 connections to its policy server. */
const MAX_HTTP_CONNECTIONS = 256
/** Dovecot's stats process keeps one. */
const MAX_LINE_CONNECTIONS = 16
const REQUEST_MS = 10_000
/** How often connections that send too slowly are looked for. */
const CHECK_MS = 2_000
/** Longer than Dovecot keeps an idle connection, so that it is never closed under a report. */
const KEEP_ALIVE_MS = 120_000
const MAX_HEADER_BYTES = 8192
/** Answers under way may take this long when the source stops. */
const CLOSE_MS = 500
const DIRECTORY_MODE = 0o755

/** A listener; `close` ends it within half a second. */
export interface Listening {
  close(): Promise<void>
}

/** Serves `api`. `port` 0 takes a free one; `onPort` tells which. @throws {SocketError} where the address cannot be bound */
export async function listenHttp(
  api: Hono,
  { host, port }: { readonly host: string; readonly port: number },
  onFault: (error: unknown) => void,
): Promise<Listening & { readonly port: number }> {
  const listener = getRequestListener(api.fetch, { overrideGlobalObjects: false })
  const server = createHttpServer(
    {
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => {
      listener(request, response).catch(onFault)
    },
  )
  server.maxConnections = MAX_HTTP_CONNECTIONS
  await bind(server, host, port)
  server.on('error', onFault)
  const address = server.address()
  return { port: typeof address === 'object' ? (address?.port ?? port) : port, close: () => closeHttp(server) }
}

function bind(server: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new SocketError(`cannot listen for login reports on ${host} port ${port}: ${reasonOf(cause)}`, {
          mend: 'choose another address or port (listen)',
          cause,
        }),
      )
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

async function closeHttp(server: HttpServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
  await closed
  clearTimeout(timer)
}

/** What is done with the lines of the Unix socket. */
interface LineTaker {
  /** One line without its LF; valid during the call. */
  line(bytes: Buffer): void
  /** A line was longer than allowed. */
  tooLong(): void
}

/** Where the Unix socket lies and who may connect: whoever may, is believed. */
interface LineSocket {
  readonly path: string
  readonly mode: number
  readonly group: string | undefined
}

/** Hands each line of each connection to `taker`. Nothing is answered. @throws {SocketError} where the socket cannot be made */
export async function listenLines(
  socket: LineSocket,
  maxLineBytes: number,
  taker: LineTaker,
  onFault: (error: unknown) => void,
): Promise<Listening> {
  const open = new Set<Socket>()
  const server = createServer((connection) => {
    open.add(connection)
    connection.once('close', () => open.delete(connection))
    // The other side broke it off; it connects again.
    connection.on('error', () => connection.destroy())
    connection.once('end', () => connection.destroy())
    takeLines(connection, new LineBuffer(0, { maxLineBytes, chunkBytes: 4 * maxLineBytes }), taker)
  })
  server.maxConnections = MAX_LINE_CONNECTIONS
  await listenOnUnixSocket(server, { ...socket, directoryMode: DIRECTORY_MODE })
  server.on('error', onFault)
  return { close: () => closeLines(server, open) }
}

function takeLines(connection: Socket, lines: LineBuffer, taker: LineTaker): void {
  connection.on('data', (bytes: Buffer) => {
    for (const run of lines.push(bytes)) {
      for (let from = 0; from < run.length; ) {
        const end = run.indexOf(10, from)
        if (end > from) taker.line(run.subarray(from, end))
        from = end + 1
      }
    }
    for (let skipped = lines.takeSkippedLines(); skipped > 0; skipped--) taker.tooLong()
  })
}

async function closeLines(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const connection of open) connection.destroy()
  await closed
}

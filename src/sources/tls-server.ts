/** A TLS server that hears only who has a certificate of a known authority (RFC 5425, section 5), by name where names are asked for. */
import { readFile } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { ProvenConfig } from '../config/config.ts'
import { reasonOf, SourceError } from '../errors.ts'

const HANDSHAKE_MS = 10_000

/** What becomes of those who connect. */
interface TlsUse {
  /** After the handshake, which has checked that the certificate is of a known authority, for a client, and in time. */
  readonly accept: (socket: Socket) => void
  /** Who was refused, and why; the connection is closed. */
  readonly refused: (text: string) => void
  /** As in node:net. */
  readonly allowHalfOpen: boolean
}

type TlsConfig = Extract<ProvenConfig, { readonly transport: 'tls' }>

/** @throws {SourceError} where the files cannot be read or are of no use */
export async function tlsServer(config: TlsConfig, { accept, refused, allowHalfOpen }: TlsUse): Promise<Server> {
  const [cert, key, ca] = await Promise.all([config.certificate, config.key, config.clientCa].map(readPem))
  try {
    const server = createServer({
      ...{ cert, key, ca, allowHalfOpen },
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_MS,
    })
    server.on('secureConnection', (socket) => {
      const problem = problemOf(socket, config.clientNames)
      if (problem === undefined) return accept(socket)
      refused(`refused a connection from ${socket.remoteAddress}: ${problem}`)
      socket.destroy()
    })
    server.on('tlsClientError', (error, socket) => {
      refused(`refused a connection from ${socket.remoteAddress ?? 'a sender that has gone'}: ${tlsReason(error)}`)
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

function problemOf(socket: TLSSocket, names: readonly string[]): string | undefined {
  const certificate = socket.getPeerX509Certificate()
  const isNamed = names.some((name) => certificate?.checkHost(name, { wildcards: false }) !== undefined)
  if (socket.authorized && certificate !== undefined && (names.length === 0 || isNamed)) return undefined
  const who = certificate?.subject?.replaceAll('\n', ', ') ?? 'without a name'
  return `its certificate (${who}) has none of the client_names`
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

/** The reason of OpenSSL in words where an operator meets it often. */
function tlsReason(error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'it has no client certificate'
  return error.code === undefined ? error.message : `${error.message} (${error.code})`
}

/** Listening on a TCP port, with errors that say what to do. */
import type { Server } from 'node:net'
import { reasonOf, SocketError } from '../errors.ts'

/** Makes `server` listen at an address of this host. @throws {SocketError} */
export function listenOnPort(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const mend =
        error.code === 'EADDRINUSE'
          ? 'stop what listens there (ss -ltnp tells who), or choose another port'
          : 'choose an address of this host and a port that the user popauthd runs as may bind'
      reject(new SocketError(`cannot listen on ${address} port ${port}: ${reasonOf(error)}`, { mend, cause: error }))
    })
    server.listen({ host: address, port }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

/** Why a port cannot be listened on, and what to do about it. */
import { reasonOf, SocketError } from '../errors.ts'

const MENDS: Readonly<Record<string, string>> = {
  EACCES: 'choose a port from 1024 on; senders can be told any port',
  EADDRINUSE: 'another program listens there: choose another port, or stop it (ss -lnp shows who it is)',
  EADDRNOTAVAIL: 'this host has no such address: `ip address` shows those it has',
}

/** The error for the operator. `what`: what is listened for, `syslog`. */
export function listenError(
  what: string,
  transport: string,
  address: string,
  port: number,
  error: NodeJS.ErrnoException,
): SocketError {
  const mend = MENDS[error.code ?? '']
  const text = `cannot listen for ${what} on ${transport} ${address} port ${port}: ${reasonOf(error)}`
  return new SocketError(text, { cause: error, ...(mend === undefined ? {} : { mend }) })
}

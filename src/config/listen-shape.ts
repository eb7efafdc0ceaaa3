/** Where something listens: an address of this host with a port as one text, or a Unix socket with its rights. */
import { parseClientAddress } from '../core/client-address.ts'
import type { SocketConfig } from './config.ts'
import { fault } from './problem.ts'
import type { Shape } from './shapes.ts'

const LISTEN = /^(?:\[([0-9A-Fa-f:.]+)\]|([\d.]+)):(\d{1,5})$/

/** What {@link listenAt} reads. */
export interface ListenAt {
  readonly host: string
  readonly port: number
}

/** `192.0.2.25:8025` or `[2001:db8::25]:8025`. `example`: an IPv4 one for messages. */
export function listenAt(example: string): Shape<ListenAt> {
  const [, examplePort] = example.split(':')
  return {
    kind: 'address and port',
    schema: { type: 'string' },
    read(raw) {
      const expected = `an address of this host and a port, such as ${example} or "[::1]:${examplePort}"`
      const [, v6, v4, digits] = (typeof raw === 'string' && LISTEN.exec(raw)) || []
      const host = v6 ?? v4
      const port = Number(digits)
      if (host === undefined || parseClientAddress(host) === undefined) return fault(raw, expected)
      return port >= 1 && port <= 65_535 ? { host, port } : fault(raw, expected, 'ports go from 1 to 65535')
    },
  }
}

/** The members `socket`, `mode` (0660 unless given) and `group` of an entry that has been read. */
export function unixSocketOf({ socket, mode = 0o660, group }: Readonly<Record<string, unknown>>): SocketConfig {
  return { path: socket as string, mode: mode as number, group: group as string | undefined }
}

/** An address of this host with a port, as one text. */
import { parseClientAddress } from '../core/client-address.ts'
import { fault } from './problem.ts'
import type { Shape } from './shapes.ts'

const LISTEN = /^(?:\[([0-9A-Fa-f:.]+)\]|([\d.]+)):(\d{1,5})$/

/** `192.0.2.25:8025` or `[2001:db8::25]:8025`. `example`: an IPv4 one for messages. */
export function listenAt(example: string): Shape<{ readonly host: string; readonly port: number }> {
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

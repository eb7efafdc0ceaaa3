// A network of its own for one test file: a server host and client hosts with real addresses, each in its own namespace.
// All hosts sit on one bridge and treat every address as reachable on the link, so no router is needed.
import { removeNamespace } from './lab-names.ts'
import { mustRun } from './run.ts'

/** The server's addresses in every laboratory. */
export const SERVER_ADDRESS = '192.0.2.25'
export const SERVER_ADDRESS6 = '2001:db8:1::25'

/** One host of the network: run programs in it with `ip netns exec NAMESPACE`. */
export interface LabHost {
  readonly namespace: string
  /** Its addresses in the order given; the first IPv4 and the first IPv6 one are used when a program names none. */
  readonly addresses: readonly string[]
}

/** The network of one laboratory. Disposing removes its namespaces, and with them every link and address. */
export interface LabNetwork extends AsyncDisposable {
  readonly server: LabHost
  /** Adds a client host, for instance `['198.51.100.7', '2001:db8:2::7']`. Addresses must not be in use in this network. */
  addClient(addresses: readonly string[]): Promise<LabHost>
}

/** Builds the network: `name` is put before the names of its namespaces. */
export async function openNetwork(name: string): Promise<LabNetwork> {
  const hub = `${name}-hub`
  const made: string[] = []
  const remove = async () => {
    for (const namespace of made.reverse()) await removeNamespace(namespace)
  }
  const addHost = async (short: string, addresses: readonly string[]): Promise<LabHost> => {
    const namespace = `${name}-${short}`
    made.push(namespace)
    await addNamespace(namespace)
    await plugIn(hub, namespace, short, addresses)
    return { namespace, addresses }
  }
  try {
    made.push(hub)
    await addNamespace(hub)
    await ipBatch(hub, ['link add bridge0 type bridge mcast_snooping 0', 'link set bridge0 up'])
    const server = await addHost('srv', [SERVER_ADDRESS, SERVER_ADDRESS6])
    let clients = 0
    const addClient = (addresses: readonly string[]) => addHost(`c${++clients}`, addresses)
    return { server, addClient, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The arguments that put a command line into a host's namespace: `run('ip', inHost(host, ['swaks', ...]))`. */
export function inHost(host: LabHost, commandLine: readonly string[]): string[] {
  return ['netns', 'exec', host.namespace, ...commandLine]
}

async function addNamespace(namespace: string): Promise<void> {
  await mustRun('ip', ['netns', 'add', namespace])
  await ipBatch(namespace, ['link set lo up'])
}

async function plugIn(hub: string, namespace: string, port: string, addresses: readonly string[]): Promise<void> {
  await ipBatch(hub, [
    `link add ${port} type veth peer name eth0 netns ${namespace}`,
    `link set ${port} master bridge0`,
    `link set ${port} up`,
  ])
  await ipBatch(namespace, [
    ...addresses.map(addressCommand),
    'link set eth0 up',
    'route add default dev eth0',
    '-6 route add default dev eth0',
  ])
}

function addressCommand(address: string): string {
  return address.includes(':') ? `addr add ${address}/128 dev eth0 nodad` : `addr add ${address}/32 dev eth0`
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  for (const command of commands) await mustRun('ip', ['-n', namespace, ...command.split(' ')])
}

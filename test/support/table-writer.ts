/**
 * A process that commits one login after the other, each with its number as the position, until it is killed,
 * or until a commit fails: then it says what and tries the same once more. Argument: the state directory.
 */
import { NetworkSet } from '../../src/admission/network-set.ts'
import { addressFromBytes } from '../../src/core/client-address.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import { AuthorizationTable } from '../../src/table/authorization-table.ts'

const startMs = Date.UTC(2026, 2, 1, 12)
const none = new NetworkSet([])
const table = await AuthorizationTable.open({
  directory: process.argv[2] as string,
  clock: new ManualClock(startMs),
  policy: {
    windowMs: 1_800_000,
    addressesPerUser: 10,
    usersPerAddress: 20,
    maxAddresses: 1_000_000,
    ipv6Prefix: 128,
    never: none,
    always: none,
    staticVeto: () => undefined,
  },
})
const start = (table.position('s') as number | undefined) ?? 0
for (let n = start + 1; ; n++) {
  const address = addressFromBytes(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, n >> 16, n >> 8, n]))
  const login = { user: `user${n}${'x'.repeat(200)}`, address, service: 'imap', server: 'test', atMs: startMs } as const
  const commit = () => table.commit({ logins: [login], position: { sourceId: 's', value: n } })
  const error = await commit().catch((reason: unknown) => reason)
  if (error instanceof Error) {
    const again = await commit().catch((reason: unknown) => reason)
    const isOpen = table.lookup(address).authorized
    const { name, message } = error
    console.log(
      JSON.stringify({ n, name, message, again: again instanceof Error, isOpen, position: table.position('s') }),
    )
    await table[Symbol.asyncDispose]()
    break
  }
  if (n === start + 100) process.stdout.write('going\n')
}

/** Who the daemon runs as, as far as the host tells. */
import type { Accounts } from '../doctor/accounts.ts'
import type { Tools } from './tools.ts'

/** The owner of the state directory; before the first start the user of the packages, where it is there. */
export async function daemonUserOf(
  stateDirectory: string,
  accounts: Accounts,
  tools: Tools,
): Promise<string | undefined> {
  const state = await tools.stat(stateDirectory).catch(() => undefined)
  if (state !== undefined) return accounts.nameOf(state.uid) ?? String(state.uid)
  return accounts.uidOf('popauthd') === undefined ? undefined : 'popauthd'
}

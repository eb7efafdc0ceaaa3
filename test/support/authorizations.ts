// The table's authorizations as one list.
import type { Authorization } from '../../src/core/authorization.ts'
import type { AuthorizationTable } from '../../src/table/authorization-table.ts'

/** Everybody who may relay now, in the table's order. */
export async function authorizationsOf(table: AuthorizationTable): Promise<Authorization[]> {
  const all: Authorization[] = []
  for await (const slice of table.authorizations()) all.push(...slice)
  return all
}

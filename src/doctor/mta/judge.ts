/** The addresses that an MTA is asked about, and what its answers are worth beside what popauthd says. */
import { type ClientAddress, parseClientAddress } from '../../core/client-address.ts'
import type { Tools } from '../../setup/tools.ts'
import { type Finding, findingsOf, type Host } from '../finding.ts'

/** What the checks of an MTA need. */
export interface MtaHost {
  readonly host: Host
  readonly tools: Tools
  /** The addresses to ask about; at least one that has no login. */
  readonly subjects: readonly Subject[]
}

/** An address, and what popauthd says of it. */
export interface Subject {
  readonly address: ClientAddress
  readonly authorized: boolean
  /** Named by the operator, not chosen here: it may have rights of its own in the MTA. */
  readonly isNamed: boolean
}

/** What an MTA said to a recipient elsewhere: accepted, refused to relay, or come again later. `other`: something else was in the way. */
export type Verdict = 'permitted' | 'refused' | 'deferred' | 'other'

/** Addresses of TEST-NET-3 (RFC 5737): nobody has them. */
const STRANGERS = ['203.0.113.77', '203.0.113.178', '203.0.113.5', '203.0.113.250'] as ClientAddress[]

/** Whom an MTA is asked to relay to: nothing is sent, and nobody reads mail there (RFC 2606). */
export const RECIPIENT = 'popauthd-doctor@example.com'

/**
 * Chooses whom to ask about: the address that was named, a stranger who must be refused, and one who may relay now, where there is one.
 * `check` and `firstOpen` ask popauthd: what it names goes into the dialogs and commands of root, and so is taken only where it is an address.
 * @throws what these throw
 */
export async function chooseSubjects(
  named: ClientAddress | undefined,
  check: (address: ClientAddress) => Promise<boolean>,
  firstOpen: () => Promise<string | undefined>,
): Promise<Subject[]> {
  const subjects: Subject[] = []
  if (named !== undefined) subjects.push({ address: named, authorized: await check(named), isNamed: true })
  for (const address of STRANGERS)
    if (!(await check(address))) {
      subjects.push({ address, authorized: false, isNamed: false })
      break
    }
  if (subjects.some(({ authorized }) => authorized)) return subjects
  const open = parseClientAddress((await firstOpen()) ?? '')
  return open === undefined ? subjects : [...subjects, { address: open, authorized: true, isNamed: false }]
}

/** What to do in each case, in the words of the MTA. */
interface Mends {
  /** It relays for a stranger. */
  readonly open: string
  /** It refuses one who may relay. */
  readonly refused: string
  /** It cannot ask popauthd. */
  readonly deferred: string
}

/** What an answer is worth. `said`: the MTA's own words. */
export function judge(
  check: string,
  subject: Subject,
  verdict: Verdict,
  said: string,
  mends: Mends,
  { daemon }: Host,
): Finding {
  const { address, authorized, isNamed } = subject
  const { ok, warning, problem, unknown } = findingsOf(check, address)
  const words = said === '' ? '' : ` ("${said}")`
  if (verdict === 'other') return unknown(`was not judged: something else refused it first${words}`)
  if (verdict === 'deferred')
    return daemon.kind === 'runs'
      ? problem(`is put off${words}: the MTA cannot ask popauthd, or it is catching up`, mends.deferred)
      : warning(`is put off${words}, as it must be while popauthd does not run`, 'start popauthd')
  if (authorized)
    return verdict === 'permitted'
      ? ok('may relay, and is permitted')
      : problem(`may relay, and is refused${words}`, mends.refused)
  if (verdict === 'refused') return ok(`has no login, and is refused${words}`)
  return isNamed
    ? warning('has no login, and is permitted all the same: the MTA gives it a right of its own', mends.open)
    : problem('has no login, and is permitted: OPEN RELAY, anybody may send through this host', mends.open)
}

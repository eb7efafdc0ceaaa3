/** What nft's refusals mean for the operator: which right, set or flag is lacking, and the lines that mend it. */
import { PublishError } from '../../errors.ts'

/** How a set has to be declared. */
export interface SetKind {
  readonly type: 'ipv4_addr' | 'ipv6_addr'
  readonly flags: 'timeout' | 'interval'
}

/** nft says that a table, set or element is not there. */
export function isMissing(said: string): boolean {
  return /No such file or directory/.test(said)
}

/** The error for a set that nft will not fill. `set` is family, table and name; `said` what nft wrote to standard error. */
export function unusableSet(set: string, kind: SetKind, said: string): PublishError {
  const [problem, mend] = diagnosis(set, kind, said)
  return new PublishError(`cannot keep the nftables set ${set}: ${problem}`, { retryable: true, mend })
}

/** The error for a set of logins that takes networks: it may merge neighbors and lose their timeouts, and nft reads it all at each change. */
export function intervalSet(set: string, kind: SetKind): PublishError {
  const problem = `cannot keep the nftables set ${set}: it has "flags interval", in which neighbors may share one timeout`
  return new PublishError(problem, { retryable: true, mend: declare(set, kind) })
}

/** The error for elements that nft would not take; the sets stay as they were. `name` is the map's, for people. */
export function failedTransaction(name: string, status: number | string, said: string): PublishError {
  const problem = isFull(said) ? 'one of the sets is full' : `nft failed (${status})${said === '' ? '' : `: ${said}`}`
  const mend = isFull(said) ? ROOM : 'the sets stay as they were; all is tried again'
  return new PublishError(`cannot keep ${name} in step: ${problem}`, { retryable: true, mend })
}

const ROOM = 'raise "size" in its declaration, or take it out, and load the ruleset anew'
const isFull = (said: string) => /Too many open files in system/.test(said)

function diagnosis(set: string, kind: SetKind, said: string): [problem: string, mend: string] {
  if (isMissing(said)) return ['there is no such set', make(set, kind)]
  if (/Operation not permitted|Permission denied/.test(said))
    return [
      'popauthd may not change the firewall',
      'it needs CAP_NET_ADMIN: install packaging/systemd/nftables.conf as a drop-in of both services',
    ]
  if (isFull(said)) return ['it is full', ROOM]
  if (/flags interval|interval flag/.test(said)) return ['it takes no networks', declare(set, kind)]
  if (/hostname|datatype mismatch/i.test(said)) return [`it is not of type ${kind.type}`, declare(set, kind)]
  if (/Invalid argument/.test(said) && kind.flags === 'timeout') return ['it takes no timeouts', declare(set, kind)]
  return [said === '' ? 'nft refused, without a word' : said, declare(set, kind)]
}

function declaration({ type, flags }: SetKind): string {
  return `{ type ${type}; flags ${flags}; }`
}

function make(set: string, kind: SetKind): string {
  const table = set.split(' ').slice(0, 2).join(' ')
  return `make it: nft 'add table ${table}; add set ${set} ${declaration(kind)}', and declare it where the ruleset is loaded from at boot`
}

function declare(set: string, kind: SetKind): string {
  const name = set.split(' ').at(-1)
  return `declare it in the ruleset as: set ${name} ${declaration(kind)}, and load the ruleset anew`
}

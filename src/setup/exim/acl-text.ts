/** The text of an Exim configuration (spec.txt, "Access control lists"): where the statement stands that refuses to relay. */

import { eximStrict } from '../recipes/exim.ts'

/** What refuses to relay in Exim's own default configuration and in Debian's. */
const REFUSAL = 'require message = relay not permitted domains = +local_domains : +relay_to_domains'

const STATEMENT = /^\s*(accept|defer|deny|discard|drop|require|warn)\b/
/** The end of an ACL: the next one, or the next section. */
const NEXT = /^\s*([A-Za-z0-9_]+:\s*$|begin\s)/

/** The text with `lines` in front of what refuses to relay, or why it cannot be told where that is. */
type Inserted = { readonly text: string; readonly done: boolean } | { readonly why: string }

/** Looks into the ACL `name` of `text`. Done: the very lines stand in it already. */
export function withStatements(text: string, name: string, lines: string): Inserted {
  const rows = text.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const start = rows.findIndex((row) => new RegExp(`^\\s*${name}:\\s*$`).test(row))
  if (!/^\w+$/.test(name) || start < 0) return { why: `has no ACL ${name}` }
  const length = rows.slice(start + 1).findIndex((row) => NEXT.test(row))
  const end = length < 0 ? rows.length : start + 1 + length
  const acl = rows.slice(start, end).join('')
  if (acl.includes(lines)) return { text, done: true }
  if (text.replaceAll(eximStrict.trim(), '').includes('popauthd'))
    return { why: 'has lines about popauthd already, in another form' }
  const refusals = statements(rows, start + 1, end).filter(({ said }) => said === REFUSAL)
  const [only] = refusals
  if (only === undefined || refusals.length > 1)
    return { why: `does not have "require message = relay not permitted" in the ACL ${name} exactly once` }
  const place = aboveComments(rows, only.at, start)
  return { text: [...rows.slice(0, place), lines, '\n', ...rows.slice(place)].join(''), done: false }
}

/** Each statement, with its conditions in a line of single blanks. */
function statements(rows: readonly string[], start: number, end: number): { at: number; said: string }[] {
  const found: { at: number; words: string[] }[] = []
  for (let i = start; i < end; i++) {
    const row = rows[i] as string
    if (/^\s*(#|$)/.test(row)) continue
    if (STATEMENT.test(row)) found.push({ at: i, words: [] })
    found.at(-1)?.words.push(...row.trim().split(/\s+/))
  }
  return found.map(({ at, words }) => ({ at, said: words.join(' ') }))
}

/** A comment right above a statement is about it. */
function aboveComments(rows: readonly string[], at: number, least: number): number {
  let place = at
  while (place - 1 > least && /^\s*#/.test(rows[place - 1] as string)) place--
  return place
}

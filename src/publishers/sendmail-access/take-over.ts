/** Entries that somebody put into the map's text by hand: which of them move to access.static, and which are only reported. Pure. */
import { type AccessEntry, addressOfKey, foldKey, parseAccessText, permits } from '../../core/access-text.ts'
import type { ClientAddress } from '../../core/client-address.ts'
import { type Examined, entriesByKey, hashOf } from './access-text-file.ts'

/** What is done with the entries of an edited or hand-made text. */
export interface TakeOver {
  /** To be added to access.static; a static entry with the same key gives way. */
  readonly adopted: readonly AccessEntry[]
  /** Left out, and told to the operator. */
  readonly reported: readonly AccessEntry[]
}

/** True for an address that popauthd's table or access.info knows: a login may have put its RELAY there. */
export type IsKnown = (address: ClientAddress) => boolean

/** First contact: `text` is the whole hand-made access, `staticText` what access.static already holds (the layout of 2002), if it is there. */
export function takeOverForeign(text: string, staticText: string, isKnown: IsKnown): TakeOver {
  const present = entriesByKey(staticText)
  const adopted: AccessEntry[] = []
  const reported: AccessEntry[] = []
  for (const entry of distinct(text)) {
    const same = present.get(foldKey(entry.key))
    if (same?.value === entry.value) continue
    if (isByLogin(entry, isKnown)) reported.push(entry)
    else if (same === undefined || (permits(same.value) && !permits(entry.value))) adopted.push(entry)
    else reported.push(entry)
  }
  return { adopted, reported }
}

/** A text that popauthd wrote and somebody edited. `isOwnKey`: keys that popauthd would write now. Where what was meant is in doubt, an entry that would open something is only reported. */
export function takeOverEdited(
  edited: Extract<Examined, { kind: 'edited' }>,
  staticText: string,
  isKnown: IsKnown,
  isOwnKey: (key: string) => boolean,
): TakeOver {
  const present = entriesByKey(staticText)
  const isSameStatic = edited.staticHash === hashOf(staticText)
  const adopted: AccessEntry[] = []
  const reported: AccessEntry[] = []
  for (const entry of edited.outside) {
    const same = present.get(foldKey(entry.key))
    if (same?.value === entry.value) continue
    // A static text that changed as well may have lost the entry, or got a newer value: only what refuses is safe to keep.
    const isMeant = isSameStatic || !permits(entry.value)
    if (isMeant && !isByLogin(entry, isKnown)) adopted.push(entry)
    else reported.push(entry)
  }
  for (const entry of edited.inside) {
    if (!permits(entry.value)) adopted.push(entry)
    else if (!isOwnKey(entry.key) && !isByLogin(entry, isKnown)) reported.push(entry)
  }
  return { adopted, reported }
}

function isByLogin(entry: AccessEntry, isKnown: IsKnown): boolean {
  const address = /^relay$/i.test(entry.value) ? addressOfKey(entry.key) : undefined
  return address !== undefined && isKnown(address)
}

function distinct(text: string): Iterable<AccessEntry> {
  return entriesByKey(text).values()
}

/** The text of access.static with the adopted entries: entries with the same key become comments, the new ones stand at the end. */
export function adoptInto(staticText: string, adopted: readonly AccessEntry[], why: string): string {
  const keys = new Set(adopted.map((entry) => foldKey(entry.key)))
  const old = parseAccessText(staticText).map(({ text, entry }) =>
    entry !== undefined && keys.has(foldKey(entry.key)) ? `# (replaced below) ${text}` : text,
  )
  return [...old, `# ${why}`, ...adopted.map(({ key, value }) => `${key}\t${value}`), ''].join('\n')
}

/** The text of a hand-made access without the entries that are only reported: what access.static becomes where there is none yet. */
export function withoutEntries(text: string, reported: readonly AccessEntry[]): string {
  const keys = new Set(reported.map((entry) => foldKey(entry.key)))
  const kept = parseAccessText(text).filter(({ entry }) => entry === undefined || !keys.has(foldKey(entry.key)))
  return kept.map((line) => `${line.text}\n`).join('')
}

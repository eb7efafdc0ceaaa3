/** The text of the map (`access`): how popauthd writes it, and how it recognizes what others did to it. Pure. */
import { createHash } from 'node:crypto'
import { type AccessEntry, type AccessLine, foldKey, parseAccessText } from '../../core/access-text.ts'

const HEADER = '# Written by popauthd. Entries of your own belong into'
const LOGINS = '# popauthd: from here on, hosts that may relay because of a login, and networks that always may.'
const END = '# popauthd: end'
/** Text is handed out in pieces of about this many characters. */
const PIECE = 65_536

/** What the text is made of. */
export interface AccessContent {
  /** Path of access.static, for the header. */
  readonly staticPath: string
  readonly staticText: string
  /** Keys to write with the value RELAY. */
  readonly keys: Iterable<string>
  /** True for a static entry that one of `keys` replaces (OK for the same address): it is written as a comment. */
  readonly isReplaced: (entry: AccessEntry) => boolean
}

/** A line for makemap that lets a key relay. */
export function relayLine(key: string): string {
  return `${key}\tRELAY\n`
}

/** Hash of a static text, kept in the map's text so that a later reader knows what it was made from. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The whole text in pieces; its last line holds a hash of all lines before it. */
export function* renderAccess(content: AccessContent): Generator<string> {
  const hash = createHash('sha256')
  const taken = function* (piece: string) {
    hash.update(piece)
    yield piece
  }
  yield* taken(`${HEADER} ${content.staticPath}:\n# popauthd adds them to this file and to the map at once.\n#\n`)
  yield* taken(staticLines(content).join(''))
  let piece = `#\n${LOGINS}\n`
  for (const key of content.keys) {
    piece += relayLine(key)
    if (piece.length < PIECE) continue
    yield* taken(piece)
    piece = ''
  }
  yield* taken(piece)
  yield `${END} static=${hashOf(content.staticText)} above=${hash.digest('hex')}\n`
}

function staticLines({ staticText, isReplaced }: AccessContent): string[] {
  const seen = new Set<string>()
  return parseAccessText(staticText).map((line) => {
    const why = unusable(line, seen, isReplaced)
    return why === undefined ? `${line.text}\n` : `# (not in the map: ${why}) ${line.text}\n`
  })
}

// makemap stops with an error at such lines; what it would do with the rest of the file is then as it was.
function unusable(line: AccessLine, seen: Set<string>, isReplaced: AccessContent['isReplaced']): string | undefined {
  if (line.problem !== undefined) return line.problem
  if (line.entry === undefined) return undefined
  if (isReplaced(line.entry)) return 'a login or network below opens it'
  const key = foldKey(line.entry.key)
  if (seen.has(key)) return 'the same key stands above'
  seen.add(key)
  return undefined
}

/** The usable entries of a static text by folded key; the first of several counts, as in the map. */
export function entriesByKey(text: string): Map<string, AccessEntry> {
  const found = new Map<string, AccessEntry>()
  for (const { entry } of parseAccessText(text)) {
    if (entry?.usable && !found.has(foldKey(entry.key))) found.set(foldKey(entry.key), entry)
  }
  return found
}

/** What a present text is: as popauthd wrote it; popauthd's, but edited since; or nobody's of popauthd. */
export type Examined =
  | { readonly kind: 'untouched' | 'foreign' }
  | {
      readonly kind: 'edited'
      /** Entries outside the block of logins: the static part, and what was added before or after. */
      readonly outside: readonly AccessEntry[]
      /** Entries inside the block of logins. */
      readonly inside: readonly AccessEntry[]
      /** Hash of the static text that it was made from, where it still tells. */
      readonly staticHash: string | undefined
    }

/** Tells what became of the text since popauthd wrote it. */
export function examineAccess(text: string): Examined {
  const lines = text.split('\n')
  if (!lines.some((line) => line.startsWith(HEADER))) return { kind: 'foreign' }
  const end = lines.findLastIndex((line) => line.startsWith(END))
  const [, staticHash, above] =
    /^# popauthd: end static=([0-9a-f]{64}) above=([0-9a-f]{64})$/.exec(lines[end] ?? '') ?? []
  const isLast = end === lines.length - 2 && lines.at(-1) === ''
  if (isLast && above === hashOf(`${lines.slice(0, end).join('\n')}\n`)) return { kind: 'untouched' }
  const logins = lines.indexOf(LOGINS)
  const until = end < 0 ? lines.length : end
  const entries = parseAccessText(text).flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const isInside = ({ line }: AccessEntry) => logins >= 0 && line > logins && line <= until
  return {
    kind: 'edited',
    staticHash,
    outside: entries.filter((entry) => !isInside(entry)),
    inside: entries.filter(isInside),
  }
}

/** The static text that a text of popauthd's was made from, as far as it still shows. */
export function staticPartOf(text: string): string {
  const lines = text.split('\n')
  const logins = lines.indexOf(LOGINS)
  const part = lines.slice(0, logins < 0 ? 0 : logins - 1)
  const own = part.findIndex((line) => line.startsWith(HEADER))
  const kept = [...part.slice(0, Math.max(own, 0)), ...part.slice(own + 3)]
  return kept.map((line) => `${line.replace(/^# \(not in the map: [^)]*\) /, '')}\n`).join('')
}

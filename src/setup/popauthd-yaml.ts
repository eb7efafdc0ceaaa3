/** Changes of popauthd.yaml that leave every other byte as it is: comments, order and spelling are the operator's. */
import { isDeepStrictEqual } from 'node:util'
import {
  Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Pair,
  parseDocument,
  stringify,
  visit,
  type YAMLSeq,
} from 'yaml'

/** An entry of `lookups` or `maps`, options as in the file. */
export type Entry = Readonly<Record<string, unknown>>

/** The options of a group, and what they are to be. */
export type GroupValues = Readonly<Record<string, string | number | boolean>>

/** One entry of a list, as it stands in a file, indented by so many blanks. A command stands in one line. */
export function entryText(entry: Entry, indent = 2): string {
  const document = new Document([entry])
  visit(document, {
    Seq: (_, node, path) => {
      if (path.length > 1) node.flow = true
    },
  })
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: false })
  return text.replace(/^/gm, ' '.repeat(indent)).replace(/ +$/, '')
}

/** The lines that people write for one entry: `lookups:` and the entry. */
export function listText(list: string, entries: readonly Entry[]): string {
  return `${list}:\n${entries.map((entry) => entryText(entry)).join('')}`
}

/** The lines that people write for options of a group. */
export function groupText(group: string, values: GroupValues): string {
  return stringify({ [group]: values }, { lineWidth: 0 })
}

/** `text` (undefined: no file yet) with one more entry at the end of a list. The text must be a sound configuration. */
export function withEntry(text: string | undefined, list: string, entry: Entry): string {
  if (text === undefined) return listText(list, [entry])
  const document = parseDocument(text)
  const before = objectOf(document)
  const there = before[list]
  const expected = { ...before, [list]: [...(Array.isArray(there) ? there : []), entry] }
  return checked(spliced(text, document, list, entry), expected) ?? rewritten(document, [list], expected[list])
}

/** `text` with options of a group set; the others stay. */
export function withValues(text: string | undefined, group: string, values: GroupValues): string {
  if (text === undefined) return groupText(group, values)
  let result = text
  for (const [name, value] of Object.entries(values)) {
    const document = parseDocument(result)
    const before = objectOf(document)
    const members = (before[group] ?? {}) as Record<string, unknown>
    if (members[name] === value) continue
    const made = { ...members, [name]: value }
    const expected = { ...before, [group]: made }
    const [path, rest] = isMap(document.get(group, true)) ? [[group, name], value] : [[group], made]
    result = checked(withValue(result, document, group, name, value), expected) ?? rewritten(document, path, rest)
  }
  return result
}

function objectOf(document: Document): Record<string, unknown> {
  return (document.toJS() ?? {}) as Record<string, unknown>
}

/** The text, where it says what is expected of it, and nothing else. */
function checked(text: string | undefined, expected: unknown): string | undefined {
  if (text === undefined) return undefined
  const document = parseDocument(text)
  return document.errors.length === 0 && isDeepStrictEqual(document.toJS(), expected) ? text : undefined
}

/** The document in the library's own spelling: comments stay, blanks may differ. For forms that cannot be changed in place. */
function rewritten(document: Document, path: readonly string[], value: unknown): string {
  document.setIn(path, value)
  return document.toString({ lineWidth: 0 })
}

function spliced(text: string, document: Document, list: string, entry: Entry): string | undefined {
  const pair = pairOf(document.contents, list)
  if (pair === undefined) return appended(text, listText(list, [entry]))
  const { value } = pair
  if (isSeq(value) && value.items.length > 0) return value.flow === true ? undefined : behindLast(text, value, entry)
  return inPlaceOf(text, value, entryText(entry))
}

/** The text with `lines` below a key in place of its value, which is empty. */
function inPlaceOf(text: string, value: unknown, lines: string): string | undefined {
  const [start, end] = isNode(value) ? (value.range ?? []) : []
  if (start === undefined || end === undefined) return undefined
  const rest = text.indexOf('\n', end)
  const lineEnd = rest < 0 ? text.length : rest
  const comment = text.slice(end, lineEnd).trim()
  const key = text.slice(0, start).trimEnd()
  return `${key}${comment === '' ? '' : ` ${comment}`}\n${lines}${text.slice(lineEnd + 1)}`
}

function appended(text: string, lines: string): string {
  if (text.trim() === '') return lines
  return `${text}${text.endsWith('\n') ? '' : '\n'}\n${lines}`
}

function behindLast(text: string, sequence: YAMLSeq, entry: Entry): string | undefined {
  const start = sequence.range?.[0]
  const last = sequence.items.at(-1)
  const end = isNode(last) ? last.range?.[1] : undefined
  if (start === undefined || end === undefined) return undefined
  const indent = start - (text.lastIndexOf('\n', start - 1) + 1)
  const newline = text[end - 1] === '\n' ? end - 1 : text.indexOf('\n', end)
  const place = newline < 0 ? text.length : newline + 1
  const head = text.slice(0, place)
  return `${head}${head.endsWith('\n') ? '' : '\n'}${entryText(entry, indent)}${text.slice(place)}`
}

function withValue(text: string, document: Document, group: string, name: string, value: unknown): string | undefined {
  const pair = pairOf(document.contents, group)
  if (pair === undefined) return appended(text, stringify({ [group]: { [name]: value } }, { lineWidth: 0 }))
  const members = pair.value
  const spelled = stringify(value, { lineWidth: 0 }).trimEnd()
  if (isScalar(members)) return inPlaceOf(text, members, `  ${name}: ${spelled}\n`)
  if (!isMap(members) || members.flow === true) return undefined
  const old = pairOf(members, name)
  const [start, end] = isNode(old?.value) ? (old.value.range ?? []) : []
  if (start !== undefined && end !== undefined && end > start) return text.slice(0, start) + spelled + text.slice(end)
  const first = members.range?.[0]
  if (old !== undefined || first === undefined) return undefined
  const indent = first - (text.lastIndexOf('\n', first - 1) + 1)
  return `${text.slice(0, first)}${name}: ${spelled}\n${' '.repeat(indent)}${text.slice(first)}`
}

function pairOf(node: unknown, name: string): Pair | undefined {
  return isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === name) : undefined
}

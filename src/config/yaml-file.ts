/** One YAML 1.2 document from a file, with the place of every value. What is no sound document is told with its line. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLError,
} from 'yaml'
import { PopauthdError, reasonOf } from '../errors.ts'
import type { Problem, Steps } from './problem.ts'

/** A document that could be read; `problems` tells what is wrong with its text. */
export interface YamlFile {
  /** The plain value; undefined for an empty document. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** False where the text is too broken for its values to be trusted. */
  readonly sound: boolean
  /** `FILE:LINE:COLUMN` of a value, or with `ofKey` of its name; of the nearest thing around it where it is not there. */
  where(steps: Steps, ofKey?: boolean): string
}

/** Largest file that is read, in bytes. */
export const LONGEST_FILE = 1_048_576
/** Most aliases that may be resolved, counted with those inside them: `a billion laughs` stops here. */
const MOST_ALIASES = 100

/**
 * The bytes of a configuration file, and whether users other than its owner and group may change it.
 * @throws {PopauthdError} exit code 3: missing, unreadable, no regular file, or larger than {@link LONGEST_FILE}
 */
export function readConfigFile(file: string): { bytes: Buffer; writableByOthers: boolean } {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const { mode } = regularFile(descriptor, file)
    return { bytes: readAll(descriptor, file), writableByOthers: (mode & 0o002) !== 0 }
  } catch (error) {
    if (error instanceof PopauthdError) throw error
    throw new PopauthdError(`cannot read the configuration ${file}: ${reasonOf(error)}`, {
      cause: error,
      mend: 'name the right file with --config, or give the user of popauthd the right to read it',
    })
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function regularFile(descriptor: number, file: string): { mode: number } {
  const status = fstatSync(descriptor)
  if (status.isFile()) return status
  const kind = status.isDirectory() ? 'it is a directory' : 'it is not a regular file'
  throw new PopauthdError(`cannot read the configuration ${file}: ${kind}`, { mend: 'name a YAML file with --config' })
}

function readAll(descriptor: number, file: string): Buffer {
  const buffer = Buffer.alloc(LONGEST_FILE + 1)
  let length = 0
  for (;;) {
    const got = readSync(descriptor, buffer, length, buffer.length - length, length)
    if (got === 0) return buffer.subarray(0, length)
    length += got
    if (length > LONGEST_FILE)
      throw new PopauthdError(`cannot read the configuration ${file}: it is larger than ${LONGEST_FILE} bytes`, {
        mend: 'a configuration is some kilobytes; is this the right file?',
      })
  }
}

/** Parses the bytes of `file` (the name is only for messages). Never throws. */
export function parseYaml(bytes: Buffer, file: string): YamlFile {
  const badLine = firstBadUtf8Line(bytes)
  if (badLine !== undefined) return broken(file, `${file}:${badLine}:1`, 'is not UTF-8; save the file in that encoding')
  const lines = new LineCounter()
  let documents: Document[]
  try {
    documents = parseAllDocuments(bytes.toString('utf8'), { lineCounter: lines, prettyErrors: false }) as Document[]
  } catch (error) {
    return broken(file, file, error instanceof RangeError ? 'is nested too deeply' : `is no YAML: ${reasonOf(error)}`)
  }
  return documentOf(documents, lines, file)
}

function documentOf(documents: readonly Document[], lines: LineCounter, file: string): YamlFile {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`
  }
  const [document, second] = documents
  if (document === undefined) return broken(file, file, [])
  if (second !== undefined)
    return broken(
      file,
      at(second.contents?.range?.[0] ?? second.range?.[0] ?? 0),
      'a second document begins; put all options into one, without `---`',
    )
  const mistakes = [...document.errors, ...document.warnings]
  const problems = mistakes.map((error) => ({
    where: at(error.pos[0]),
    path: '',
    text: plainWords(error, document, lines),
  }))
  const where = (steps: Steps, ofKey = false) => at(offsetOf(document.contents as Node | null, steps, ofKey))
  const sound = mistakes.every((error) => error.code === 'DUPLICATE_KEY')
  try {
    return { value: document.toJS({ maxAliasCount: MOST_ALIASES }) ?? undefined, problems, sound, where }
  } catch (error) {
    const text = error instanceof ReferenceError ? 'has too many aliases; write the values out' : 'is nested too deeply'
    return broken(file, at(0), sound ? text : problems)
  }
}

function broken(file: string, where: string, why: string | readonly Problem[]): YamlFile {
  const problems = typeof why === 'string' ? [{ where, path: '', text: why }] : why
  return { value: undefined, problems, sound: problems.length === 0, where: () => file }
}

function plainWords(error: YAMLError, document: Document, lines: LineCounter): string {
  if (error.code === 'DUPLICATE_KEY') return duplicateText(document.contents as Node | null, error.pos[0], lines)
  if (error.code === 'TAB_AS_INDENT') return 'a tab is used to indent; use spaces'
  const text = error.message.split('\n', 1)[0] as string
  return `is no YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

/** Names the key that stands at `offset` and the line of its first mention. */
function duplicateText(node: Node | null, offset: number, lines: LineCounter): string {
  const found = findPair(node, offset)
  if (found === undefined) return 'an option stands twice; keep one'
  return `${found.name} stands twice, first in line ${lines.linePos(found.first).line}; keep one`
}

function findPair(node: unknown, offset: number): { name: string; first: number } | undefined {
  if (isSeq(node)) return node.items.map((item) => findPair(item, offset)).find((found) => found !== undefined)
  if (!isMap(node)) return undefined
  for (const pair of node.items) {
    const key = pair.key
    if (isScalar(key) && key.range?.[0] === offset) {
      const first = node.items.find((other) => isScalar(other.key) && other.key.value === key.value)?.key
      return { name: String(key.value), first: (isNode(first) && first.range?.[0]) || 0 }
    }
    const inside = findPair(pair.value, offset)
    if (inside !== undefined) return inside
  }
  return undefined
}

/** The offset of the value (or its key) that the steps lead to, or of the last thing on the way that is there. */
function offsetOf(root: Node | null, steps: Steps, ofKey: boolean): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const [index, step] of steps.entries()) {
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === step)
      : undefined
    const next = isSeq(node) && typeof step === 'number' ? node.items[step] : pair?.value
    const key = pair?.key
    const keyOffset = isNode(key) ? key.range?.[0] : undefined
    const valueOffset = isNode(next) ? next.range?.[0] : undefined
    const last = index === steps.length - 1
    offset = (last && ofKey ? keyOffset : (valueOffset ?? keyOffset)) ?? offset
    node = next
  }
  return offset
}

function firstBadUtf8Line(bytes: Buffer): number | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start)
    const end = newline < 0 ? bytes.length : newline
    try {
      decoder.decode(bytes.subarray(start, end))
    } catch {
      return line
    }
    start = end + 1
  }
  return undefined
}

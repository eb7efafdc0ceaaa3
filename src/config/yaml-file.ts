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
  visit,
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
  const text = bytes.toString('utf8')
  if (isDeep(text)) return broken(file, file, TOO_DEEP)
  const lines = new LineCounter()
  let documents: Document[]
  try {
    documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
    }) as Document[]
  } catch (error) {
    return broken(file, file, error instanceof RangeError ? TOO_DEEP : `is no YAML: ${reasonOf(error)}`)
  }
  return documentOf(documents, lines, file)
}

const TOO_DEEP = 'is nested too deeply'
const DEEPEST = 100
/** More mistakes than these tell nobody anything. */
const MOST_MISTAKES = 50

/** Stops text on which the parser would run out of stack or memory. Brackets in texts and comments count too: nobody leaves 100 open. */
function isDeep(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5b || code === 0x7b) depth++
    else if (code === 0x5d || code === 0x7d) depth = Math.max(0, depth - 1)
    if (depth > DEEPEST) return true
  }
  return /(?:[-?:!&][^\s]{0,9}[ \t]+){100}/.test(text)
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
  const mistakes = [...document.errors, ...document.warnings].slice(0, MOST_MISTAKES)
  const problems = mistakes.map((error) => ({ path: '', ...mistakeOf(error, document, at) }))
  for (const { name, offset, first } of duplicates(document.contents).slice(0, MOST_MISTAKES)) {
    const text = `${name} stands twice, first in line ${lines.linePos(first).line}; keep one`
    problems.push({ where: at(offset), path: '', text })
  }
  const where = (steps: Steps, ofKey = false) => at(offsetOf(document.contents as Node | null, steps, ofKey))
  const sound = mistakes.length === 0
  if (document.directives?.yaml.version === '1.1')
    return broken(
      file,
      `${file}:1:1`,
      'asks for YAML 1.1, in which 0660 and yes mean other things; take the %YAML line out',
    )
  try {
    return { value: document.toJS({ maxAliasCount: MOST_ALIASES }) ?? undefined, problems, sound, where }
  } catch (error) {
    return broken(file, at(0), sound ? aliasText(error) : problems)
  }
}

function aliasText(error: unknown): string {
  const { message } = error as Error
  if (message.startsWith('Unresolved alias')) return `is no YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`
  return error instanceof ReferenceError ? 'has too many aliases; write the values out' : TOO_DEEP
}

function broken(file: string, where: string, why: string | readonly Problem[]): YamlFile {
  const problems = typeof why === 'string' ? [{ where, path: '', text: why }] : why
  return { value: undefined, problems, sound: problems.length === 0, where: () => file }
}

function mistakeOf(error: YAMLError, document: Document, at: (offset: number) => string): Omit<Problem, 'path'> {
  const where = at(error.pos[0])
  if (error.code === 'TAB_AS_INDENT') return { where, text: 'a tab is used to indent; use spaces' }
  if (error.message.startsWith('Missing closing'))
    return { where: at(lastQuote(document) ?? error.pos[0]), text: 'this quote is never closed; close it' }
  const text = error.message.split('\n', 1)[0] as string
  return { where, text: `is no YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}` }
}

function lastQuote(document: Document): number | undefined {
  let offset: number | undefined
  visit(document, {
    Scalar(_key, node) {
      if (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE') offset = node.range?.[0]
    },
  })
  return offset
}

/** Keys that stand twice in one mapping (the parser's own check is quadratic, and does not name the first). */
function duplicates(node: unknown, found: { name: string; offset: number; first: number }[] = []) {
  if (isSeq(node)) for (const item of node.items) duplicates(item, found)
  if (!isMap(node)) return found
  const seen = new Map<unknown, number>()
  for (const { key, value } of node.items) {
    const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0
    const name = isScalar(key) ? String(key.value) : undefined
    const first = seen.get(name)
    if (name !== undefined && first !== undefined) found.push({ name, offset, first })
    else seen.set(name, offset)
    duplicates(value, found)
  }
  return found
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

/** Finds the rotated predecessors of a log file: which of them was being read, and what has to be read after it. Follows logrotate(8) and newsyslog(8). */
import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type FileMark, fingerprintLength, hasFingerprint } from './fingerprint.ts'
import { type OpenFile, openLogFile } from './line-reader.ts'
import { COMPRESSED, datedFiles, isPattern } from './log-name.ts'
import { readUnpackedHead } from './packed-file.ts'
import { namesIn, passes, unlessItPasses } from './passing-errors.ts'

/** A file that rotation may have made of the followed one. `order`: its number (`.1`), or its date as text (`-20260102`). */
export interface Generation {
  readonly path: string
  readonly dev: string
  readonly ino: string
  readonly size: number
  readonly mtimeMs: number
  readonly order: number | string
}

/** A file to be read from `offset` on, already open; `head` is the beginning of its content. */
export interface PlannedFile {
  readonly file: OpenFile
  readonly head: Buffer
  readonly offset: number
}

/** What to read, oldest first, so that nothing behind a mark is missed. All files are open and belong to the caller. */
interface ReadingPlan {
  readonly predecessors: readonly PlannedFile[]
  /** Where to go on in the file that now has the name. */
  readonly liveOffset: number
  /** False where a mark was given and no file was found that it belongs to. */
  readonly found: boolean
}

/** Nothing here unpacks these. */
const UNREADABLE = /\.(Z|lz4)$/
const SUFFIX = /^[.\-_]\d[\dT.:_+-]{0,31}$/
const INDEX = /^[.\-_](\d{1,5})$/
const MOST_GENERATIONS = 1000
/** A rotation that is under way is waited for: some milliseconds, with many files or a slow disk longer. */
const MOST_ATTEMPTS = 50
const PAUSE_MS = 20

/** What rotation appended to `base` to make `name`: a number or a date; undefined where `name` is no rotated `base`. `mail.1.log` counts too. */
export function rotationOrder(name: string, base: string): number | string | undefined {
  const plain = name.replace(COMPRESSED, '')
  const extension = extname(base)
  const stem = base.slice(0, base.length - extension.length)
  let suffix: string | undefined
  if (plain.startsWith(base)) suffix = plain.slice(base.length)
  else if (extension !== '' && plain.startsWith(stem) && plain.endsWith(extension))
    suffix = plain.slice(stem.length, plain.length - extension.length)
  if (suffix === undefined || !SUFFIX.test(suffix)) return undefined
  const index = INDEX.exec(suffix)?.[1]
  return index === undefined ? suffix.slice(1) : Number(index)
}

/** Sorts the oldest first: high numbers before low ones, early dates before late ones; the time of the last write decides between kinds. */
export function compareGenerations(a: Generation, b: Generation): number {
  if (typeof a.order === 'number' && typeof b.order === 'number' && a.order !== b.order) return b.order - a.order
  if (typeof a.order === 'string' && typeof b.order === 'string' && a.order !== b.order)
    return a.order < b.order ? -1 : 1
  return a.mtimeMs - b.mtimeMs
}

/**
 * The rotated predecessors of `path` that can be read, oldest first; of a pattern all its files. Empty where the directory may not be listed,
 * undefined where a file was renamed or removed meanwhile: it must be listed again.
 * @throws system errors that pass ({@link passes}): then nothing is known of the predecessors
 */
async function listGenerations(path: string): Promise<Generation[] | undefined> {
  const found: Generation[] = []
  for (const { name, order } of isPattern(path) ? await datedNames(path) : await rotatedNames(path)) {
    const generation = await describe(name, order)
    if (generation === undefined && (await isGone(name))) return undefined
    if (generation !== undefined && !found.some((other) => isSame(other, generation))) found.push(generation)
  }
  return (isPattern(path) ? found : found.sort(compareGenerations)).slice(-MOST_GENERATIONS)
}

interface RotatedName {
  /** The whole path. */
  readonly name: string
  readonly order: number | string
}

async function datedNames(pattern: string): Promise<RotatedName[]> {
  const files = await datedFiles(pattern)
  return files.filter(({ path }) => !UNREADABLE.test(path)).map(({ path, order }) => ({ name: path, order }))
}

async function rotatedNames(path: string): Promise<RotatedName[]> {
  const real = await realpath(path).catch(() => path)
  const found: RotatedName[] = []
  for (const place of new Set([path, real])) {
    const names = await namesIn(dirname(place))
    for (const name of names.filter((name) => !UNREADABLE.test(name))) {
      const order = rotationOrder(name, basename(place))
      const plain = name.replace(COMPRESSED, '')
      const isBeingCompressed = plain !== name && names.includes(plain)
      if (order !== undefined && !isBeingCompressed) found.push({ name: join(dirname(place), name), order })
    }
  }
  return found
}

/** False for a name that is still there and leads nowhere: a dangling link. */
function isGone(path: string): Promise<boolean> {
  return lstat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  )
}

/** What a plan starts from. */
export interface PlanRequest {
  readonly path: string
  /** The open file that has the name now; undefined while there is none. */
  readonly live: OpenFile | undefined
  /** Where reading stopped; undefined at the first start. */
  readonly mark: FileMark | undefined
  /** Without a mark, or where its file is gone, the generations written to at or after this time (Unix milliseconds) are read. */
  readonly sinceMs: number
  /** `resume`: nothing is open. `held`: the mark's file is still open and was read to its end. `truncated`: the live file lost what the mark tells of. */
  readonly situation: 'resume' | 'held' | 'truncated'
}

/**
 * Plans what to read behind a mark: the rest of the file it belongs to, then every newer generation, then the live file.
 * @throws system errors that pass ({@link passes}): nothing is open then but the live file, and it must be tried again
 */
export async function planReading(request: PlanRequest): Promise<ReadingPlan> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    if (attempt > 0) await pause(PAUSE_MS)
    const plan = await tryPlan(request)
    if (plan !== undefined) return plan
  }
  throw Object.assign(new Error('its directory keeps changing'), { code: 'EAGAIN' })
}

/** Undefined where a file was renamed or removed while the plan was made. */
async function tryPlan(request: PlanRequest): Promise<ReadingPlan | undefined> {
  const { path, live } = request
  const before = await listGenerations(path)
  if (before === undefined) return undefined
  const others = before.filter((one) => live === undefined || !isSame(one, live))
  const plan = await planFrom(request, others)
  if (plan === undefined) return undefined
  const close = () => Promise.all(plan.predecessors.map(({ file }) => file.handle.close()))
  const after = await listGenerations(path).catch(async (error: unknown) => {
    await close()
    throw error
  })
  // A file may have got a name that was looked at already, and its old one another file.
  if (after !== undefined && namesOf(after) === namesOf(before)) return plan
  await close()
  return undefined
}

function namesOf(generations: readonly Generation[]): string {
  return JSON.stringify(generations.map(({ path, dev, ino }) => [path, dev, ino]))
}

async function planFrom(
  { live, mark, sinceMs, situation }: PlanRequest,
  generations: readonly Generation[],
): Promise<ReadingPlan | undefined> {
  const from = mark === undefined ? undefined : await locate(mark, generations, live, situation !== 'truncated')
  if (from === 'live') return { predecessors: [], liveOffset: mark?.offset ?? 0, found: true }
  const wanted = from === undefined ? lost(generations, situation, sinceMs) : newerThan(from, generations)
  if (from !== undefined && situation !== 'held') wanted.unshift(from)
  const predecessors: PlannedFile[] = []
  const closeAll = () => Promise.all(predecessors.map(({ file }) => file.handle.close()))
  for (const one of wanted) {
    const planned = await openGeneration(one, one === from ? (mark?.offset ?? 0) : 0).catch(async (error: unknown) => {
      await closeAll()
      throw error
    })
    if (planned === 'moved') {
      await closeAll()
      return undefined
    }
    if (planned !== undefined) predecessors.push(planned)
  }
  return { predecessors, liveOffset: 0, found: from !== undefined || mark === undefined }
}

/** What is read where nothing says which file comes next. While running, everything before was read already. */
function lost(generations: readonly Generation[], situation: PlanRequest['situation'], sinceMs: number): Generation[] {
  return situation === 'resume' ? generations.filter((one) => one.mtimeMs >= sinceMs) : []
}

/** The file that a mark belongs to: the same inode if the beginning agrees, else any file that begins so and is long enough. */
async function locate(
  mark: FileMark,
  generations: readonly Generation[],
  live: OpenFile | undefined,
  maybeLive: boolean,
): Promise<Generation | 'live' | undefined> {
  if (maybeLive && live !== undefined && isSame(live, mark) && fits(live.head, live.size, mark)) return 'live'
  const hinted = await describe(mark.path, '')
  const candidates = [...generations]
  if (hinted !== undefined && !generations.some((one) => isSame(one, hinted)) && !(live && isSame(live, hinted)))
    candidates.push(hinted)
  const newestFirst = candidates.reverse()
  for (const one of newestFirst) if (isSame(one, mark) && (await fitsFile(one, mark))) return one
  if (mark.fingerprintBytes === 0) return undefined
  if (maybeLive && live !== undefined && fits(live.head, live.size, mark)) return 'live'
  for (const one of newestFirst) if (await fitsFile(one, mark)) return one
  for (const one of newestFirst) if (await fitsFile(one, { ...mark, offset: 0 })) return one
  return undefined
}

function fits(head: Buffer, size: number, mark: FileMark): boolean {
  return size >= mark.offset && hasFingerprint(head, mark)
}

async function fitsFile(generation: Generation, mark: FileMark): Promise<boolean> {
  const planned = await openGeneration(generation, 0)
  if (planned === undefined || planned === 'moved') return false
  await planned.file.handle.close()
  return fits(planned.head, planned.file.packing === undefined ? planned.file.size : Number.POSITIVE_INFINITY, mark)
}

function newerThan(from: Generation, generations: readonly Generation[]): Generation[] {
  const at = generations.indexOf(from)
  return at < 0 ? generations.filter((one) => one.mtimeMs > from.mtimeMs) : generations.slice(at + 1)
}

/** `moved` where the name no longer belongs to that file; undefined where it cannot be read. A copy that is shorter than `offset` holds nothing new. */
async function openGeneration(generation: Generation, offset: number): Promise<PlannedFile | 'moved' | undefined> {
  const file = await openLogFile(generation.path).catch((error: NodeJS.ErrnoException) => {
    if (passes(error)) throw error
    return error.code === 'ENOENT' ? ('moved' as const) : undefined
  })
  if (file === undefined || file === 'moved') return file
  if (!isSame(file, generation)) {
    await file.handle.close()
    return 'moved'
  }
  const { handle, packing } = file
  if (packing !== undefined) {
    const head = await readUnpackedHead(handle, packing, fingerprintLength).catch(async (error: unknown) => {
      await handle.close()
      throw error
    })
    return { file, head, offset }
  }
  return { file, head: file.head, offset: Math.min(offset, file.size) }
}

async function describe(path: string, order: number | string): Promise<Generation | undefined> {
  const found = await stat(path, { bigint: true }).catch(unlessItPasses(undefined))
  if (found === undefined || !found.isFile()) return undefined
  const mtimeMs = Number(found.mtimeNs) / 1e6
  return { path, dev: String(found.dev), ino: String(found.ino), size: Number(found.size), mtimeMs, order }
}

function isSame(a: { dev: string; ino: string }, b: { dev: string; ino: string }): boolean {
  return a.ino === b.ino && a.dev === b.dev
}

/** The name of a followed log: a path, or a pattern for a log whose name changes with the date: in `mail-*.log` the `*` is a date or a number. */
import { basename, dirname, join } from 'node:path'
import { namesIn } from './passing-errors.ts'

/** What compression appends to a name. */
export const COMPRESSED = /\.(gz|Z|bz2|xz|zst|lz4)$/
/** So much of a date or a number is compared; longer ones are none. */
const LONGEST_NUMBER = 20

/** A file that a pattern means. `order`: sorts as text, later dates and higher numbers behind earlier and lower ones. */
interface DatedFile {
  readonly path: string
  readonly order: string
}

/** True where the file name (not its directory) has a `*`. */
export function isPattern(path: string): boolean {
  return basename(path).includes('*')
}

/** The path of the file that is written now: of a pattern the last in order, or the pattern itself where no file is there yet. */
export async function currentPath(path: string): Promise<string> {
  if (!isPattern(path)) return path
  const plain = (await datedFiles(path)).filter((file) => !COMPRESSED.test(file.path))
  return plain.at(-1)?.path ?? path
}

/** What to watch for changes: what all names of the log begin with. Where they begin with the `*`, new ones are found by polling. */
export function watchedPath(path: string): string {
  const prefix = basename(path).replace(/\*.*$/, '')
  return prefix === '' ? path : join(dirname(path), prefix)
}

/** The files that a pattern means, in order, compressed ones too. Empty where the directory may not be listed. @throws errors that pass */
export async function datedFiles(pattern: string): Promise<DatedFile[]> {
  const isMeant = nameTest(basename(pattern))
  const names = await namesIn(dirname(pattern))
  const found: DatedFile[] = []
  for (const name of names) {
    const plain = name.replace(COMPRESSED, '')
    if (!isMeant.test(plain)) continue
    if (plain !== name && names.includes(plain)) continue // being compressed right now
    found.push({ path: join(dirname(pattern), name), order: orderOf(plain) })
  }
  return found.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
}

/** `mail-error.log` is not a `mail-*.log`: a date begins with a digit and has no letters but the T of ISO 8601. */
function nameTest(pattern: string): RegExp {
  const literals = pattern.split(/\*+/).map((part) => part.replace(/[\\^$.+?()[\]{}|/-]/g, '\\$&'))
  return new RegExp(`^${literals.join('\\d[\\dT.:_+\\-]{0,40}')}$`)
}

function orderOf(name: string): string {
  const numbers = name.match(/\d+/g) ?? []
  return numbers.map((digits) => digits.padStart(LONGEST_NUMBER, '0')).join(' ')
}

/** What following a file tells the operator: each trouble once, ordinary rotation as such. */
import { reasonOf } from '../../errors.ts'
import type { SourceNotice } from '../source.ts'
import type { FileMark } from './fingerprint.ts'

/** The notices of one followed file. */
export class FileNotices {
  readonly #path: string
  readonly #notice: (notice: SourceNotice) => void
  /** The troubles with the name and with reading that were told last. */
  #pathTrouble: string | undefined
  #readTrouble: string | undefined

  constructor(path: string, notice: (notice: SourceNotice) => void) {
    this.#path = path
    this.#notice = notice
  }

  /** True while the name is missing or leads to something that cannot be read, and that was told. */
  get inTrouble(): boolean {
    return this.#pathTrouble !== undefined
  }

  opened(offset: number): void {
    this.#ordinary('opened', `following ${this.#path} from byte ${offset}`)
  }

  rotated(): void {
    this.#ordinary('rotated', `${this.#path} is another file now; following it`)
  }

  truncated(how: string): void {
    this.#ordinary(
      'truncated',
      `${this.#path} was ${how}: reading what a copy of it still holds, then the file from its beginning`,
    )
  }

  skipped(lines: number, limitBytes: number, path: string): void {
    const what = lines === 1 ? 'a line' : `${lines} lines`
    this.#ordinary('line_too_long', `skipped ${what} longer than ${limitBytes} bytes in ${path}`)
  }

  /** The file of a saved position was not found. */
  lost(mark: FileMark): void {
    const what = `the file that was read before (inode ${mark.ino}) is no longer beside ${this.#path}`
    this.#notice({ kind: 'rotated', detail: `${what}: lines written to it since may be lost`, trouble: true })
  }

  missing(sentence: string): void {
    this.#tellPath('missing', sentence)
  }

  unreadable(error: unknown): void {
    this.#tellPath('unreadable', `cannot read ${this.#path}: ${reasonOf(error)}; trying again`)
  }

  /** The name leads to a file again: the next trouble is a new one. */
  present(): void {
    this.#pathTrouble = undefined
  }

  readFailed(path: string, error: unknown): void {
    const detail = `cannot read ${path}: ${reasonOf(error)}`
    if (this.#readTrouble === detail) return
    this.#readTrouble = detail
    this.#notice({ kind: 'unreadable', detail, trouble: true })
  }

  readWorks(): void {
    this.#readTrouble = undefined
  }

  #tellPath(kind: 'missing' | 'unreadable', detail: string): void {
    if (this.#pathTrouble === detail) return
    this.#pathTrouble = detail
    this.#notice({ kind, detail, trouble: true })
  }

  #ordinary(kind: SourceNotice['kind'], detail: string): void {
    this.#notice({ kind, detail, trouble: false })
  }
}

/** Random histories of a log file: whatever happens to it, each line comes once. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ManualWaker, SourceDriver } from '../../../test/support/source-driver.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { SourcePosition } from '../source.ts'
import { FileSource } from './file-source.ts'

const GENERATIONS = 9

type Step =
  | { readonly do: 'line' | 'late' | 'part' | 'rename' | 'reopen' | 'copytruncate' | 'compress' | 'read' }
  | { readonly do: 'restart'; readonly afterChunks: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'line' }) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'part' }, { do: 'late' }, { do: 'read' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'rename' }, { do: 'reopen' }, { do: 'reopen' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'copytruncate' }, { do: 'compress' }) },
  { weight: 2, arbitrary: fc.nat(6).map((afterChunks): Step => ({ do: 'restart', afterChunks })) },
)

/** A writer as syslogd is one: after a rename it goes on in the old file until it is told to reopen the log. */
class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'popauthd-history-'))
  readonly path = join(this.directory, 'mail.log')
  readonly written: string[] = []
  readonly delivered: string[] = []
  readonly #clock = new ManualClock(Date.now())
  #writer = openSync(this.path, 'a')
  /** Another writer that goes on in the predecessor after the first one has moved on. */
  #lateWriter: number | undefined
  #rest = ''
  #mustReopen = false
  #driver = this.#start()

  async run(one: Step): Promise<void> {
    if (one.do === 'line') this.#line()
    else if (one.do === 'late') this.#late()
    else if (one.do === 'part') this.#part()
    else if (one.do === 'rename') this.#rename()
    else if (one.do === 'reopen') this.#reopen()
    else if (one.do === 'copytruncate') this.#copyTruncate()
    else if (one.do === 'compress') this.#compress()
    else if (one.do === 'read') await this.#read()
    else if (one.do === 'restart') await this.#restart(one.afterChunks)
  }

  async finish(): Promise<void> {
    this.#reopen()
    await this.#read()
    await this.#driver.stop()
    this.#closeLate()
    closeSync(this.#writer)
    rmSync(this.directory, { recursive: true })
  }

  #start(from?: SourcePosition): SourceDriver {
    const waker = new ManualWaker()
    const options = { path: this.path, clock: this.#clock, notice: () => {}, waker, chunkBytes: 64, maxLineBytes: 50 }
    return new SourceDriver(new FileSource(options), waker, from)
  }

  async #read(most?: number): Promise<void> {
    this.delivered.push(...(await this.#driver.read(most)).lines)
  }

  async #restart(afterChunks: number): Promise<void> {
    await this.#read(afterChunks)
    await this.#driver.stop()
    this.#driver = this.#start(this.#driver.position)
  }

  #line(): void {
    this.#complete()
    const line = `line ${this.written.length} ${'.'.repeat(this.written.length % 30)}`
    writeSync(this.#writer, `${line}\n`)
    this.written.push(line)
  }

  #late(): void {
    if (this.#lateWriter === undefined) return
    const line = `late line ${this.written.length}`
    writeSync(this.#lateWriter, `${line}\n`)
    this.written.push(line)
  }

  #closeLate(): void {
    if (this.#lateWriter !== undefined) closeSync(this.#lateWriter)
    this.#lateWriter = undefined
  }

  #part(): void {
    this.#complete()
    const line = `line ${this.written.length} in two parts`
    writeSync(this.#writer, line.slice(0, 9))
    this.#rest = `${line.slice(9)}\n`
    this.written.push(line)
  }

  #complete(): void {
    writeSync(this.#writer, this.#rest)
    this.#rest = ''
  }

  /** A second rename before the writer has reopened the log would leave two old files in use: no rotation tool does that. */
  #rename(): void {
    if (this.#mustReopen) return
    this.#closeLate()
    this.#shift()
    renameSync(this.path, `${this.path}.1`)
    writeFileSync(this.path, '')
    this.#mustReopen = true
  }

  #reopen(): void {
    this.#complete()
    if (this.#mustReopen) this.#lateWriter = this.#writer
    else closeSync(this.#writer)
    this.#writer = openSync(this.path, 'a')
    this.#mustReopen = false
  }

  #copyTruncate(): void {
    if (this.#mustReopen) return
    this.#complete()
    this.#closeLate()
    this.#shift()
    copyFileSync(this.path, `${this.path}.1`)
    ftruncateSync(this.#writer)
  }

  #shift(): void {
    for (let i = GENERATIONS; i >= 1; i--)
      for (const ending of ['', '.gz'])
        if (existsSync(`${this.path}.${i}${ending}`))
          renameSync(`${this.path}.${i}${ending}`, `${this.path}.${i + 1}${ending}`)
  }

  /** What is compressed is no longer written to: `.2`, as with logrotate's delaycompress. */
  #compress(): void {
    const path = `${this.path}.2`
    if (!existsSync(path)) return
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
    unlinkSync(path)
  }
}

const steps = (words: string) => words.split(' ').map((word) => ({ do: word }) as Step)

/** Histories that once lost a line: a whole life between two looks, and more late lines than one chunk. */
const examples: [Step[]][] = [
  [steps('rename read reopen line copytruncate')],
  [steps('rename read reopen line copytruncate line')],
  [steps('rename read part line line part line')],
]

it('gives each line once through any history of writing, rotation, truncation, compression and restarts', async () => {
  const history = fc.array(step, { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(history, async (all) => {
      const world = new World()
      await world.run({ do: 'line' })
      await world.run({ do: 'read' })
      for (const one of all) await world.run(one)
      await world.finish()
      expect(world.delivered.toSorted()).toEqual(world.written.toSorted())
    }),
    { seed: 2002, numRuns: 200, examples },
  )
}, 60_000)

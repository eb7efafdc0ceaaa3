/** What the benchmarks do with log files before they measure: copy a part, count lines, write down what is looked for. */
import { statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { parsers } from '../src/parsers/index.ts'
import { LineSearch } from '../src/parsers/line-search.ts'
import { LoginScanner } from '../src/parsers/scanner.ts'

const CHUNK_BYTES = 16 * 1024 * 1024
const LF = 10

/** Copies whole lines from the start of a log, about `bytes` of them; returns how many it were. */
export async function copyStart(from: string, to: string, bytes: number): Promise<number> {
  await using source = await open(from)
  await using target = await open(to, 'w')
  const buffer = Buffer.alloc(bytes)
  const { bytesRead } = await source.read(buffer, 0, bytes, 0)
  await target.write(buffer.subarray(0, buffer.lastIndexOf(LF, bytesRead - 1) + 1))
  return statSync(to).size
}

/** Writes the strings that all parsers together look for to `path`, one a line as `grep -f` reads them. */
export function writeLiterals(path: string): { readonly path: string; readonly texts: readonly string[] } {
  const { texts } = new LoginScanner({ parsers, timezone: 'UTC' }).search
  writeFileSync(path, texts.map((text) => `${text}\n`).join(''), 'latin1')
  return { path, texts }
}

/** How many lines of the log at `path`, which ends with a whole line, hold one of `texts`. */
export async function countHits(path: string, texts: readonly string[]): Promise<number> {
  const search = new LineSearch(texts)
  await using log = await open(path)
  const buffer = Buffer.alloc(CHUNK_BYTES)
  let hits = 0
  for (let at = 0; ; ) {
    const { bytesRead } = await log.read(buffer, 0, CHUNK_BYTES, at)
    const chunk = buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf(LF) + 1)
    if (chunk.length === 0) return hits
    let last = -1
    search.search(chunk, (start) => {
      if (start !== last) hits++
      last = start
    })
    at += chunk.length
  }
}

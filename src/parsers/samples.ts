/** Reads the sample lines of samples/ID.log: what each server really wrote, near misses and forgeries, each with what must come out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '../core/login.ts'
import { packageRoot } from '../lib/package-root.ts'
import type { ChunkFormat } from '../sources/source.ts'

/** Lines of one log, oldest first, with the one login that must come out of them, or none. */
export interface ParserSample {
  readonly lines: readonly string[]
  readonly format: ChunkFormat
  readonly expect: { readonly user: string; readonly ip: string; readonly service: Service } | null
  readonly comment: string
}

/** The samples of the parser `id`. @throws where the file is missing or not of the form that its comments show */
export function parserSamples(id: string): readonly ParserSample[] {
  const text = readFileSync(join(packageRoot, `src/parsers/samples/${id}.log`), 'utf8')
  return text
    .trim()
    .split('\n\n')
    .map((block) => parseBlock(block.split('\n')))
}

/** `# comment`, `#= the login as JSON, or null`, then the lines. */
function parseBlock([comment = '', expect = '', ...lines]: readonly string[]): ParserSample {
  if (!comment.startsWith('# ') || !expect.startsWith('#= ') || lines.length === 0) {
    throw new Error(`not a sample: ${comment}`)
  }
  const format = lines.every((line) => line.startsWith('{')) ? 'journal-json' : 'lines'
  return { lines, format, expect: JSON.parse(expect.slice(3)), comment: comment.slice(2) }
}

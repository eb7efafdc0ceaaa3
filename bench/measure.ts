/** Figures and how they are taken: medians, whole processes with their CPU time, tables. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Column, formatTable } from '../src/lib/table-print.ts'
import { colorsFor } from '../src/lib/terminal.ts'

/** The built program. */
export const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** The value below which `share` (0 to 1) of `values` lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** One run of a whole process: seconds by the clock, and of CPU in user and system mode with its children. */
export interface Run {
  readonly wallS: number
  readonly cpuS: number
}

const TIMED = 'TIMEFORMAT="%R %U %S"; output=$1; shift; time "$@" > "$output"'

/**
 * Runs a program to its end, its output into the file `output`: never to /dev/null, where grep stops at the first match. Bash's
 * `time` tells the CPU time, to the millisecond. @throws {Error} where it fails; grep's 1 (no match) is a failure too
 */
export async function timeProgram(
  command: readonly string[],
  output: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Run> {
  const errors = `${output}.stderr`
  const fd = openSync(errors, 'w')
  const code = await new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', TIMED, 'bash', output, ...command], {
      env: { ...process.env, ...env, LC_NUMERIC: 'C' },
      stdio: ['ignore', 'ignore', fd],
    })
    child.on('error', reject)
    child.on('close', resolve)
  })
  closeSync(fd)
  const said = readFileSync(errors, 'utf8').trim()
  const times = /(?:^|\n)([\d.]+) ([\d.]+) ([\d.]+)$/.exec(said)
  if (code !== 0 || times === null) throw new Error(`${command.join(' ')}: exit ${code}: ${said.slice(-2000)}`)
  return { wallS: Number(times[1]), cpuS: Number(times[2]) + Number(times[3]) }
}

/** Runs each of `jobs` in turn, `rounds` times over, so that a busy moment of the machine falls on all alike. */
export async function inTurns<T>(jobs: readonly (() => Promise<T>)[], rounds: number): Promise<T[][]> {
  const results: T[][] = jobs.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, job] of jobs.entries()) (results[i] as T[]).push(await job())
  }
  return results
}

/** Prints a heading, a table (the first column left, the others right) and what was aimed at. */
export function report(heading: string, titles: readonly string[], rows: readonly string[][], notes: string[]): void {
  const columns: Column[] = titles.map((title, i) => ({ title, align: i === 0 ? 'left' : 'right' }))
  const table = [...formatTable(columns, rows, colorsFor(process.stdout, process.env))].join('')
  process.stdout.write(`\n${heading}\n\n${table}\n${notes.map((note) => `${note}\n`).join('')}`)
}

/** A goal and whether this run met it. */
export function goal(text: string, isMet: boolean): string {
  return `goal: ${text}: ${isMet ? 'met' : 'NOT met'}`
}

/** `1234567` as `1,234,567`. */
export const count = (value: number): string => value.toLocaleString('en-US')

/** `3.14159` as `3.1`; three significant digits, never an exponent. */
export const ratio = (value: number): string => `${value >= 100 ? count(Math.round(value)) : value.toPrecision(3)}`

/** `500 MB`. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`

/** @throws {Error} where the numbers differ */
export function expectCount(found: number, wanted: number, what: string): void {
  if (found !== wanted) throw new Error(`found ${found} ${what} where there are ${wanted}`)
}

/** Programs that search the same log, timed in turns; each has to find what is there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inTurns, median, megabytes, type Run, ratio, timeProgram } from './measure.ts'
import type { MixedLog } from './mixed-log.ts'

export const ROUNDS = 7

/** One way to search a log. `bytes`: of the log that it reads, where it is a part of the whole; times are scaled then. */
export interface Contender {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly log: Pick<MixedLog, 'bytes' | 'lines'>
  readonly bytes?: number
  /** Checks what it printed, so that nothing is measured that does not do the work. @throws {Error} */
  readonly check: (output: Buffer) => void
}

/** The medians of a contender, for its whole log. */
export interface Measured extends Run {
  readonly contender: Contender
}

/** Runs each once, so that the logs come into memory, then all in turns. */
export async function measure(contenders: readonly Contender[], directory: string): Promise<readonly Measured[]> {
  const output = join(directory, 'output')
  const jobs = contenders.map(({ name, command, env, check }) => async () => {
    const run = await timeProgram(command, output, env)
    try {
      check(readFileSync(output))
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
    }
    return run
  })
  await inTurns(jobs, 1)
  const runs = await inTurns(jobs, ROUNDS)
  return contenders.map((contender, i) => summarize(contender, runs[i] as Run[]))
}

function summarize(contender: Contender, runs: readonly Run[]): Measured {
  const scale = contender.log.bytes / (contender.bytes ?? contender.log.bytes)
  const figure = (name: keyof Run) => median(runs.map((run) => run[name])) * scale
  return { contender, wallS: figure('wallS'), cpuS: figure('cpuS') }
}

/** Titles of {@link rowsOf}. */
export const TITLES = ['', 'wall, to scan', 'CPU, to scan', 'wall', 'CPU', 'MB/s', 'lines/s']

/** A row for each of `measured`, with its times in those of `ours`. */
export function rowsOf(measured: readonly Measured[], ours: Measured): string[][] {
  return measured.map(({ contender: { name, log, bytes }, wallS, cpuS }) => [
    bytes === undefined ? name : `${name} (${megabytes(bytes)}, scaled)`,
    `${ratio(wallS / ours.wallS)}x`,
    `${ratio(cpuS / ours.cpuS)}x`,
    `${wallS.toFixed(2)} s`,
    `${cpuS.toFixed(2)} s`,
    (log.bytes / 1e6 / wallS).toFixed(0),
    `${(log.lines / 1e6 / wallS).toFixed(2)} M`,
  ])
}

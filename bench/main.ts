/** The benchmarks, all of them or those that are named. Everything that they write lies in a directory that is removed again. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { catchUp } from './catch-up.ts'
import { latency } from './latency.ts'
import { lookups } from './lookups.ts'
import { memory } from './memory.ts'
import { parserCosts } from './parsers.ts'
import { publish } from './publish.ts'
import { rcpt } from './rcpt.ts'
import { scan } from './scan.ts'
import { table } from './table.ts'

const BENCHES: Readonly<Record<string, (directory: string, scale: number) => Promise<void>>> = {
  table,
  scan,
  parsers: parserCosts,
  latency,
  memory,
  lookups,
  'catch-up': catchUp,
  publish,
  rcpt,
}

/** `--scale 0.02`: logs of a fiftieth of their size (of `rcpt` a fiftieth of the logins and of the larger table), to see that all works; such figures say little. */
const SCALE = '--scale'

/** A machine that does this much else for each of its cores gives figures that say little. */
const NOISY_LOAD = 0.5

async function main(args: readonly string[]): Promise<void> {
  const at = args.indexOf(SCALE)
  const scale = at < 0 ? 1 : Number(args[at + 1])
  if (!(scale > 0 && scale <= 1)) {
    console.error(`bench: ${SCALE} wants a number above 0, at most 1`)
    process.exitCode = 2
    return
  }
  const names = at < 0 ? args : args.toSpliced(at, 2)
  const unknown = names.filter((name) => BENCHES[name] === undefined)
  if (unknown.length > 0) {
    console.error(`bench: no benchmark "${unknown.join('", "')}"; there are ${Object.keys(BENCHES).join(', ')}`)
    process.exitCode = 2
    return
  }
  const cores = cpus().length
  console.log(`popauthd benchmarks, ${new Date().toISOString().slice(0, 10)}: ${cores} cores, Node ${process.version}`)
  if (scale < 1) console.log(`(${scale} of the full size: the figures say little)`)
  const home = mkdtempSync(join(tmpdir(), 'popauthd-bench-'))
  const remove = () => rmSync(home, { recursive: true, force: true })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    })
  }
  try {
    await runAll(home, names.length > 0 ? names : Object.keys(BENCHES), scale)
  } finally {
    remove()
  }
}

async function runAll(home: string, names: readonly string[], scale: number): Promise<void> {
  for (const name of names) {
    const load = loadavg()[0] as number
    if (load > NOISY_LOAD * cpus().length)
      console.log(`\n(the machine is busy, load ${load.toFixed(1)}: look at the ratios only)`)
    const directory = join(home, name)
    mkdirSync(directory)
    await BENCHES[name]?.(directory, scale)
    rmSync(directory, { recursive: true })
  }
}

await main(process.argv.slice(2))

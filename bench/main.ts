/** The benchmarks, all of them or those that are named. Everything that they write lies in a directory that is removed again. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { scan } from './scan.ts'
import { table } from './table.ts'

const BENCHES: Readonly<Record<string, (directory: string) => Promise<void>>> = { table, scan, latency, memory }

/** A machine that does this much else for each of its cores gives figures that say little. */
const NOISY_LOAD = 0.5

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => BENCHES[name] === undefined)
  if (unknown.length > 0) {
    console.error(`bench: no benchmark "${unknown.join('", "')}"; there are ${Object.keys(BENCHES).join(', ')}`)
    process.exitCode = 2
    return
  }
  const cores = cpus().length
  console.log(`popauthd benchmarks, ${new Date().toISOString().slice(0, 10)}: ${cores} cores, Node ${process.version}`)
  const home = mkdtempSync(join(tmpdir(), 'popauthd-bench-'))
  const remove = () => rmSync(home, { recursive: true, force: true })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    })
  }
  try {
    await runAll(home, names.length > 0 ? names : Object.keys(BENCHES))
  } finally {
    remove()
  }
}

async function runAll(home: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const load = loadavg()[0] as number
    if (load > NOISY_LOAD * cpus().length)
      console.log(`\n(the machine is busy, load ${load.toFixed(1)}: look at the ratios only)`)
    const directory = join(home, name)
    mkdirSync(directory)
    await BENCHES[name]?.(directory)
    rmSync(directory, { recursive: true })
  }
}

await main(process.argv.slice(2))

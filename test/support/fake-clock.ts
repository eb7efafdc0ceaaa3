// A wall clock of its own for one program, which the test sets while it runs. The kernel has no namespace for it: a library answers in its place.
import { existsSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labAvailability, labRequired } from './lab-availability.ts'
import { ensureRoot } from './roots.ts'
import { run } from './run.ts'

/** The clock. Monotonic time, timers and the times of files stay as they are. */
export interface FakeClock {
  /** To be put before a command line. */
  readonly wrapper: readonly string[]
  /** How far it is from the true time now. */
  readonly offsetSeconds: number
  /** Sets it that far from the true time, at once; below 0: back. */
  set(offsetSeconds: number): Promise<void>
}

const LIBRARY = 'faketime/libfaketime.so.1'
const DIRECTORIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu']

/** Why there can be no such clock here, or undefined where there can. @throws {Error} with POPAUTHD_E2E=require */
export async function fakeClockObstacle(): Promise<string | undefined> {
  const lab = labAvailability()
  if (lab !== undefined) return lab
  const obstacle = await libraryObstacle()
  if (obstacle !== undefined && labRequired()) throw new Error(`POPAUTHD_E2E=require, but ${obstacle}`)
  return obstacle
}

async function libraryObstacle(): Promise<string | undefined> {
  const library = await libraryPath()
  if (library === undefined) return "Debian's libfaketime has no library for this machine"
  const env = ['env', `LD_PRELOAD=${library}`, 'FAKETIME=-1000000s']
  const { stdout } = await run(env[0] as string, [...env.slice(1), process.execPath, '-p', 'Date.now()'])
  return Number(stdout) < Date.now() - 900_000_000 ? undefined : 'libfaketime does not work with this Node'
}

async function libraryPath(): Promise<string | undefined> {
  const root = await ensureRoot('faketime')
  return DIRECTORIES.map((directory) => join(root, 'usr/lib', directory, LIBRARY)).find((path) => existsSync(path))
}

/** Makes a clock, which shows the true time at first; its file goes into `directory`. */
export async function fakeClock(directory: string): Promise<FakeClock> {
  const path = join(directory, 'clock')
  let offset = 0
  const set = async (seconds: number) => {
    offset = seconds
    // Renamed into place: half a file would be another time.
    await writeFile(`${path}.new`, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
    await rename(`${path}.new`, path)
  }
  await set(0)
  const variables = { FAKETIME_TIMESTAMP_FILE: path, FAKETIME_NO_CACHE: 1, DONT_FAKE_MONOTONIC: 1, NO_FAKE_STAT: 1 }
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  return {
    wrapper: ['env', `LD_PRELOAD=${await libraryPath()}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1', ...assignments],
    get offsetSeconds() {
      return offset
    },
    set,
  }
}

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stateInUse } from './load-config.ts'

describe('which state of the checkout is meant', () => {
  let directory: string
  let plain: string
  let demo: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-here-'))
    plain = join(directory, 'var')
    demo = join(plain, 'demo')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  /** A state as the daemon with this PID leaves it when it is killed; the socket stands in as a plain file. */
  function state(path: string, pid: number, startedSeconds: number): void {
    mkdirSync(join(path, 'run'), { recursive: true })
    writeFileSync(join(path, 'popauthd.lock'), `${pid}\n`)
    writeFileSync(join(path, 'run', 'control.sock'), '')
    utimesSync(join(path, 'run', 'control.sock'), startedSeconds, startedSeconds)
  }

  it('is that of the daemon that runs, though a killed one was started later', () => {
    const { pid: gone } = spawnSync('true')
    state(plain, process.pid, 1000)
    state(demo, gone, 2000)
    expect(stateInUse(plain, demo)).toBe(plain)
  })

  it('is that of the daemon that was started last, where both run', () => {
    state(plain, process.pid, 1000)
    state(demo, process.pid, 2000)
    expect(stateInUse(plain, demo)).toBe(demo)
  })

  it('is the plain one where none runs and it was used, else that of the demonstration', () => {
    expect(stateInUse(plain, demo)).toBe(demo)
    state(plain, 0, 1000)
    rmSync(join(plain, 'run'), { recursive: true })
    expect(stateInUse(plain, demo)).toBe(plain)
  })
})

/** With whose rights the command of a map runs. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../config/load.ts'
import { ManualClock } from '../lib/clock.ts'
import { publishersFor } from './for-config.ts'

const USER = 12_345
const asRoot = it.runIf(process.geteuid?.() === 0)
let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'popauthd-maps-'))
})
afterEach(() => rmSync(home, { recursive: true }))

asRoot('root runs what comes after a file as the owner of the state directory, as the daemon would', async () => {
  const state = join(home, 'state')
  mkdirSync(state)
  chownSync(home, USER, USER)
  chownSync(state, USER, USER)
  const mark = join(state, 'changed')
  const { config } = loadConfig({
    env: {},
    overrides: {
      state_directory: state,
      maps: [{ format: 'opensmtpd', path: join(state, 'hosts'), command: ['/usr/bin/touch', mark] }],
    },
  })
  const parts = { clock: new ManualClock(1_000_000), isKnown: () => false, notice: () => {} }
  const publisher = publishersFor(config, parts).all.at(-1)?.publisher ?? expect.fail('no publisher')
  await publisher.resync(() => [], new AbortController().signal)
  await publisher[Symbol.asyncDispose]()
  expect(statSync(join(state, 'hosts')).uid).toBe(USER)
  expect(statSync(mark).uid).toBe(USER)
})

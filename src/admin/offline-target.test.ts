/** The one-shot that closes doors without a daemon, where the table cannot be written. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { loadConfig } from '../config/load.ts'
import type { ClientAddress } from '../core/client-address.ts'
import { TableError } from '../errors.ts'
import { ManualClock } from '../lib/clock.ts'
import { TableStore } from '../table/store.ts'
import { openOfflineTarget } from './offline-target.ts'

const START = Date.UTC(2026, 2, 1, 12)
let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'popauthd-prune-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(home, { recursive: true })
})

it('takes out of the maps what is over, also where it cannot be taken out of the table', async () => {
  const path = join(home, 'hosts')
  const maps = [{ format: 'exim_list', path }]
  const { config } = loadConfig({
    env: {},
    overrides: { state_directory: home, sendmail_access: { enabled: false }, maps },
  })
  const clock = new ManualClock(START)
  const clients = () => readFileSync(path, 'utf8').match(/^[\d.]+$/gm)
  {
    await using target = await openOfflineTarget(config, 'write', clock, () => {})
    const login = { user: 'alice', service: 'imap', server: 'test', atMs: START } as const
    await target.importLogins([{ ...login, address: '198.51.100.7' as ClientAddress }])
  }
  expect(clients()).toEqual(['198.51.100.7'])
  clock.advance(config.windowSeconds * 1000)
  await using target = await openOfflineTarget(config, 'prune', clock, () => {})
  vi.spyOn(TableStore.prototype, 'write').mockRejectedValue(new TableError('no space left'))
  const answer = await target.prune()
  expect(clients()).toBeNull()
  expect(answer).toMatchObject({ problem: 'no space left', removed: 0, authorized: 0, maps: [{ state: 'in_step' }] })
})

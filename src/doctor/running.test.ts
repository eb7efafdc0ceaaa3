import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PublisherStatus, ServerFact } from '../admin/api-types.ts'
import { NetworkSet } from '../admission/network-set.ts'
import { systemClock } from '../lib/clock.ts'
import { AuthorizationTable } from '../table/authorization-table.ts'
import { fakeHost, fakeStatus, told } from './fake-host.ts'
import type { DaemonState } from './finding.ts'
import { daemon, sweeper, table } from './running.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-doctor-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const runs = (...args: Parameters<typeof fakeStatus>): DaemonState => ({ kind: 'runs', status: fakeStatus(...args) })
const ofDaemon = async (state: DaemonState) => told(await daemon(fakeHost(directory, {}, { daemon: state })))

describe('the daemon', () => {
  it.each<[string, DaemonState, RegExp]>([
    ['runs', runs(), /^ok: runs \(PID 42\) and answers; the logs were read to their end$/],
    ['is catching up', runs({ ready: false }), /^warning: runs .*catching up/],
    ['does not run', { kind: 'none' }, /^warning: no daemon runs/],
    ['hangs', { kind: 'silent', problem: 'no answer within 10 s', denied: false }, /^problem: no answer/],
    ['may not be asked', { kind: 'silent', problem: 'permission denied', denied: true }, /^unknown: permission/],
    ['has trouble', runs({}, { trouble: 'no space left' }), /^ok: .*\nproblem: no space left$/],
  ])('%s', async (_, state, expected) => expect(await ofDaemon(state)).toMatch(expected))

  it('tells of maps that fail, formats that drift and clocks that differ', async () => {
    const publishers: PublisherStatus[] = [{ name: 'sendmail_access', state: 'failing', problem: 'no makemap' }]
    const drift = { kind: 'drift', lines: 9, foreign: 0, since: '', last: '' } as const
    const server: ServerFact = {
      server: 'dovecot',
      logins: 1,
      lastLogin: null,
      logouts: 0,
      rejected: 9,
      foreign: 0,
      drift,
      recent: [],
    }
    const counters = { logins_ahead_of_clock_total: 3, logins_refused_total: 5 }
    const text = await ofDaemon(runs({ publishers, counters }, { servers: [server] }))
    expect(text).toMatch(/\nwarning: 9 lines of dovecot look like logins and are none/)
    expect(text).toMatch(/\nproblem: cannot be brought in step: no makemap/)
    expect(text).toMatch(/\nwarning: 3 logins since the start of the daemon were dated ahead of the clock/)
  })
})

describe('the table', () => {
  const look = async (state: DaemonState = { kind: 'none' }) => table(fakeHost(directory, {}, { daemon: state }))
  const path = () => join(directory, 'state', 'table.mdb')

  async function makeTable(): Promise<void> {
    const nobody = new NetworkSet([])
    const policy = {
      windowMs: 1000,
      addressesPerUser: 10,
      usersPerAddress: 20,
      maxAddresses: 1000,
      ipv6Prefix: 128,
      never: nobody,
      always: nobody,
      staticVeto: () => undefined,
    }
    const made = await AuthorizationTable.open({ directory: join(directory, 'state'), clock: systemClock, policy })
    await made[Symbol.asyncDispose]()
  }

  it('is missing, sound, or damaged: then it is rebuilt', async () => {
    expect(told(await look())).toMatch(/^ok: is not there yet/)
    await makeTable()
    expect(told(await look())).toMatch(/^ok: sound, \d+ KiB in use$/)
    truncateSync(path(), 5000)
    const [damaged] = await look()
    expect(damaged).toMatchObject({ verdict: 'problem', mends: [expect.stringContaining('popauthd rebuild')] })
  })

  it('in use is not looked over, since it changes meanwhile', async () => {
    mkdirSync(join(directory, 'state'))
    writeFileSync(path(), 'garbage')
    expect(told(await look(runs()))).toBe(
      'ok: in use: 3 addresses known, 2 of them may relay, looked over when the daemon started',
    )
    expect(told(await look({ kind: 'silent', problem: '', denied: true }))).toMatch(/^unknown/)
  })

  it('that cannot be opened is not damaged', async () => {
    mkdirSync(join(directory, 'state'))
    symlinkSync(path(), path())
    expect(told(await look())).toMatch(/^unknown: cannot open the table/)
  })
})

describe('the prune job', () => {
  const look = async (options: Record<string, unknown> = { sendmail_access: { enabled: true } }) =>
    told(await sweeper(fakeHost(directory, options)))

  it('is asked for only where there is a map', async () => {
    expect(await look({})).toBe('')
    expect(await look()).toMatch(/^warning: nothing runs `popauthd prune`/)
  })

  it('is a timer that is switched on', async () => {
    mkdirSync(join(directory, 'timers'))
    symlinkSync('/etc/systemd/system/popauthd-prune.timer', join(directory, 'timers', 'popauthd-prune.timer'))
    expect(await look()).toMatch(/^ok: popauthd-prune\.timer is switched on/)
  })

  it('or a line of a crontab that is no comment', async () => {
    mkdirSync(join(directory, 'cron.d'))
    const file = join(directory, 'cron.d', 'popauthd')
    writeFileSync(file, '# * * * * * popauthd popauthd prune --quiet\n')
    expect(await look()).toMatch(/^warning/)
    writeFileSync(file, 'PATH=/bin\n* * * * * popauthd popauthd prune --quiet\n')
    chmodSync(file, 0o600)
    expect(await look()).toBe(`ok: ${file} runs popauthd prune`)
  })
})

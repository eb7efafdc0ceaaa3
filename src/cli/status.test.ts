import { expect, it } from 'vitest'
import type { SourceStatus } from '../admin/api-types.ts'
import { fakeStatus } from '../doctor/fake-host.ts'
import { colorsFor } from '../lib/terminal.ts'
import { statusText } from './status.ts'

const shown = (ready: boolean, source: Partial<SourceStatus>) =>
  statusText(fakeStatus({ ready }, source), Date.parse('2026-11-22T16:20:05Z'), colorsFor({}, {}))

it('says whether the daemon is ready', () => {
  expect(shown(true, {})).toMatch(/^ {2}readiness +ready$/m)
  expect(shown(false, {})).toMatch(/^ {2}readiness +catching up$/m)
})

it('says how far a source is, and how far behind', () => {
  expect(shown(true, { position: { offset: 7 } })).toMatch(/^ {2}\/log +read to its end, byte 7$/m)
  const behind = { caughtUp: false, behindBytes: 123_456_789, readPercent: 42 }
  expect(shown(false, { ...behind, position: { offset: 7 } })).toMatch(/reading, byte 7, 42% read, 117 MiB left$/m)
  expect(shown(false, behind)).toMatch(/^ {2}\/log +reading, 42% read, 117 MiB left$/m)
  expect(shown(false, { caughtUp: false })).toMatch(/^ {2}\/log +reading, nothing so far$/m)
  expect(shown(true, { behindBytes: 2048, readPercent: 99 })).toMatch(/reading, 99% read, 2 KiB left$/m)
})

/** The lines under `logs`. */
const logsOf = (source: Partial<SourceStatus>) => shown(true, source).split('logs\n')[1]?.split('\n')

it('says of a log whose lines are dated far from the clock', () => {
  const time = {
    kind: 'ahead',
    seconds: 7200,
    cause: 'zone',
    zones: ['Europe/Berlin'],
    logins: 7,
    since: '2026-11-22T14:02:00.000Z',
    last: '2026-11-22T14:09:00.000Z',
    detail: 'lines are 2 h ahead of the clock',
  } as const
  expect(logsOf({ time })).toEqual([
    expect.stringMatching(/^ {2}\/log +read to its end, nothing so far$/),
    '  /log: lines are 2 h ahead of the clock',
    '',
  ])
  expect(logsOf({})).toHaveLength(2)
})

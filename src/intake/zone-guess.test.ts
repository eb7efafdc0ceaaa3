import { expect, it } from 'vitest'
import { zoneOffset } from '../lib/zone-offset.ts'
import { guessZones } from './zone-guess.ts'

const HOUR = 3_600_000
const WINTER = Date.parse('2026-01-15T12:00:00Z')
const SUMMER = Date.parse('2026-07-15T12:00:00Z')

it.each([
  [2, 'UTC', SUMMER, 'Europe/Berlin'],
  [1, 'UTC', WINTER, 'Europe/Berlin'],
  [-2, 'Europe/Berlin', SUMMER, 'UTC'],
  [-6, 'Europe/Berlin', WINTER, 'America/New_York'],
  [5.5, 'UTC', WINTER, 'Asia/Kolkata'],
  [5.75, 'UTC', WINTER, 'Asia/Kathmandu'],
  [13.75, 'UTC', WINTER, 'Pacific/Chatham'],
])('names the likeliest zone that is %d h from %s', (hours, timezone, nowMs, likeliest) => {
  expect(guessZones(hours * HOUR, timezone, nowMs)).toContain(likeliest)
})

it('names two at most, and none where no zone is like that', () => {
  expect(guessZones(HOUR, 'UTC', WINTER)).toHaveLength(2)
  expect(guessZones(4.25 * HOUR, 'UTC', WINTER)).toEqual([])
  expect(guessZones(15 * HOUR, 'UTC', WINTER)).toEqual([])
})

it.each([WINTER, SUMMER])('has a name for the offset of every zone at %d', (nowMs) => {
  const offsets = new Set(Intl.supportedValuesOf('timeZone').map((zone) => zoneOffset(zone)(nowMs)))
  expect(offsets.size).toBeGreaterThan(30)
  expect([...offsets].filter((offsetMs) => guessZones(offsetMs, 'UTC', nowMs).length === 0)).toEqual([])
})

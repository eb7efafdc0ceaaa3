import { expect, it } from 'vitest'
import { stateWords } from './state-words.ts'

const source = (origin: string, caughtUp: boolean, readPercent?: number) => {
  return { origin, caughtUp, ...(readPercent === undefined ? {} : { readPercent }) }
}

it.each([
  [[source('/var/log/mail.log', false, 42)], 'reading /var/log/mail.log, 42%'],
  [[source('/var/log/mail.log', true), source('journal', false)], 'reading journal'],
  [[source('/a', false, 0), source('/b', false, 99)], 'reading /a, 0%; reading /b, 99%'],
  [[], 'starting'],
])('while catching up: %j', (sources, expected) => {
  expect(stateWords({ ready: false, sources, authorized: 0 })).toBe(expected)
})

it('afterwards: who may relay, and what is followed', () => {
  const sources = [source('/var/log/mail.log', true), source('journal', true)]
  expect(stateWords({ ready: true, sources, authorized: 12 })).toBe(
    '12 clients may relay; following /var/log/mail.log, journal',
  )
  expect(stateWords({ ready: true, sources, authorized: 1 })).toMatch(/^1 client may relay; /)
  expect(stateWords({ ready: true, sources, authorized: null })).toBe('following /var/log/mail.log, journal')
})

import { expect, it } from 'vitest'
import { escapeForTerminal, escapeInJson } from './escape.ts'

it('lets ordinary text of any language through', () => {
  expect(escapeForTerminal('o.brien@example.com Grüße 東京 🙂')).toBe('o.brien@example.com Grüße 東京 🙂')
})

it.each([
  ['\x1b[2J', '\\x1b[2J'],
  ['a\r\nb\tc', 'a\\x0d\\x0ab\\x09c'],
  ['\x9b31m', '\\x9b31m'],
  ['\u202egnp', '\\u202egnp'],
  ['zero\u200bwidth', 'zero\\u200bwidth'],
  ['\ud800', '\\ud800'],
  ['tag\u{e0041}', 'tag\\udb40\\udc41'],
])('writes %j as %s', (text, shown) => {
  expect(escapeForTerminal(text)).toBe(shown)
})

it('makes JSON safe to look at, and leaves what it says', () => {
  const said = { user: 'a\u007f\u009b2J\u202e\u200b\u{e0041}\x1b[2J', other: 'Grüße 🙂' }
  const json = escapeInJson(JSON.stringify(said))
  expect(JSON.parse(json)).toEqual(said)
  expect(json).toBe(escapeForTerminal(json))
})

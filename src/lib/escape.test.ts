import { expect, it } from 'vitest'
import { escapeForTerminal } from './escape.ts'

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
])('writes %j as %s', (text, shown) => {
  expect(escapeForTerminal(text)).toBe(shown)
})

import { expect, it } from 'vitest'
import { wrapWords } from './wrap-words.ts'

it.each([
  ['', 10, ['']],
  ['one two', 10, ['one two']],
  ['one two three', 7, ['one two', 'three']],
  ['a-word-that-is-too-long b', 5, ['a-word-that-is-too-long', 'b']],
  ['\u{1f4ec}\u{1f4ec}\u{1f4ec} \u{1f4ec}', 5, ['\u{1f4ec}\u{1f4ec}\u{1f4ec} \u{1f4ec}']],
])('%j in %d columns', (text, width, lines) => expect(wrapWords(text, width)).toEqual(lines))

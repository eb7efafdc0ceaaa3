import { expect, it } from 'vitest'
import { formatBytes } from './bytes.ts'

it.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [1023, '1023 bytes'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [10 * 1024 + 1000, '10 KiB'],
  [123_456_789, '117 MiB'],
  [3 * 1024 ** 4, '3 TiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
  [-1, '0 bytes'],
])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

import { expect, it } from 'vitest'
import { endSeconds, WITHOUT_END_SECONDS } from './end-seconds.ts'

it('is never later than the end itself', () => {
  expect(endSeconds(1_700_000_000_000)).toBe(1_700_000_000)
  expect(endSeconds(1_700_000_000_999)).toBe(1_700_000_000)
  expect(endSeconds(8.64e15)).toBe(WITHOUT_END_SECONDS)
  expect(endSeconds(undefined)).toBe(WITHOUT_END_SECONDS)
})

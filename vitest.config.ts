/** The test projects: unit (beside the code), contract, e2e on real servers, and fuzz (the tests of chance, for minutes). */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/unit/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
          environment: 'node',
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'fuzz',
          include: ['test/fuzz/**/*.test.ts', 'src/parsers/**/*.test.ts'],
          environment: 'node',
          testTimeout: 2 ** 31 - 1,
        },
      },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts', 'test/bad-configs/**/*.test.ts'] } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
})

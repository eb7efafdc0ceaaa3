import { expect, it } from 'vitest'
import { escapeForTerminal } from './lib/escape.ts'
import { createLogger } from './log.ts'

it.each(['json', 'pretty'] as const)('lets no byte of a log line reach a terminal raw, in %s', (format) => {
  const lines: string[] = []
  const logger = createLogger({ level: 'debug', format }, { write: (line) => lines.push(line) })
  const hostile = '\x1b[2J\u009b2J\u007f\u202e\u200b\u{e0041}\ud800\r\n'
  logger.debug({ line: hostile, user: hostile, detail: hostile }, 'line refused')
  logger.info({ user: hostile, nested: [{ [hostile]: hostile }] }, 'something else')
  expect(lines).toHaveLength(2)
  for (const line of lines) expect(line).toBe(`${escapeForTerminal(line.slice(0, -1))}\n`)
})

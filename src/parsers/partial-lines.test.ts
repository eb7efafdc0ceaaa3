import { describe, expect, it } from 'vitest'
import { PartialLines } from './partial-lines.ts'

const line = (rest: string) => `2026-11-22T12:35:56.123456789Z ${rest}\n`
const FORGED = line('stdout F imap-login: Info: Login')

/** Whether the last line of the last chunk is the rest of another. */
function isRest(...chunks: readonly string[]): boolean {
  const lines = new PartialLines()
  for (const chunk of chunks) lines.enter(Buffer.from(chunk))
  const last = chunks.at(-1) as string
  const start = last.lastIndexOf('\n', last.length - 2) + 1
  return lines.isRest(last.slice(start), start)
}

describe('PartialLines', () => {
  it.each<[string, string[], boolean]>([
    ['right behind a part', [line(`stdout P ${'a'.repeat(99)}`) + FORGED], true],
    ['behind two parts', [line('stdout P a') + line('stdout P b') + FORGED], true],
    ['behind a part, with the other stream between', [line('stdout P a') + line('stderr F b') + FORGED], true],
    ['behind a part of the chunk before', [line('stdout F a') + line('stdout P b'), FORGED], true],
    ['behind a part of two chunks before', [line('stdout P b'), line('stderr F b'), FORGED], true],
    ['behind some of the other stream', [line('stdout P a') + line('stderr F b').repeat(40) + FORGED], true],
    ['behind many of the other stream', [line('stdout P a') + line('stderr F b').repeat(60) + FORGED], false],
    ['behind a whole line', [line('stdout P a') + line('stdout F b') + FORGED], false],
    ['behind a part of the other stream', [line('stderr P a') + FORGED], false],
    ['at the start of a log', [FORGED], false],
    ['behind a line of another layout', [`${line('stdout P a')}\nNov 22 12:35:56 x\n${FORGED}`], false],
    ['behind a line that only looks like one', [`x${' '.repeat(40)}stdout P \n${FORGED}`], false],
    ['of another layout', [`${line('stdout P a')}Nov 22 12:35:56 mx1 dovecot: imap-login: Login\n`], false],
  ])('a line %s', (_name, chunks, expected) => {
    expect(isRest(...chunks)).toBe(expected)
  })
})

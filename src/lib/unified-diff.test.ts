import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { unifiedDiff } from './unified-diff.ts'

const numbered = Array.from({ length: 12 }, (_, i) => `line ${i + 1}\n`).join('')

it('shows what differs, with three lines around it', () => {
  expect(unifiedDiff('/etc/x', numbered, numbered.replace('line 6\n', 'other\nmore\n'))).toBe(
    `--- /etc/x\n+++ /etc/x\n@@ -3,7 +3,8 @@\n line 3\n line 4\n line 5\n-line 6\n+other\n+more\n line 7\n line 8\n line 9\n`,
  )
  expect(unifiedDiff('/etc/x', numbered, numbered)).toBe('')
})

it.each<[string, string | undefined, string]>([
  ['a new file', undefined, 'a\nb\n'],
  ['an empty file', '', 'a\n'],
  ['a missing end', 'a\nb', 'a\nb\nc\n'],
  ['an end that goes', 'a\nb\n', 'a'],
  ['repeated lines', 'a\na\na\n', 'a\na\n'],
  ['two places', numbered, numbered.replace('line 2\n', '').replace('line 11', 'x')],
  ['the end', numbered, `${numbered}x\n`],
  ['the start', numbered, `x\n${numbered}`],
])('is one that patch(1) can apply: %s', (_, before, after) => {
  const directory = mkdtempSync(join(tmpdir(), 'popauthd-diff-'))
  try {
    const file = join(directory, 'file')
    if (before !== undefined) writeFileSync(file, before)
    execFileSync('patch', ['-s', '-u', file], { input: unifiedDiff(file, before, after), cwd: directory })
    expect(readFileSync(file, 'utf8')).toBe(after)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

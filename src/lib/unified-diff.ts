/** A unified diff of two texts (POSIX diff -u), as patch(1) takes it. */
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'

const CONTEXT_LINES = 3

/** The diff of `before` (undefined: no file) and `after`, named by `path`; empty where nothing differs. */
export function unifiedDiff(path: string, before: string | undefined, after: string): string {
  if (before === after) return ''
  const old = before === undefined ? '/dev/null' : path
  return createTwoFilesPatch(old, path, before ?? '', after, undefined, undefined, {
    context: CONTEXT_LINES,
    headerOptions: FILE_HEADERS_ONLY,
  })
}

/** A unified diff of two texts (POSIX diff -u) with one hunk: from the first line that differs to the last one. */

const CONTEXT_LINES = 3

/** The diff of `before` (undefined: no file) and `after`, named by `path`; empty where nothing differs. */
export function unifiedDiff(path: string, before: string | undefined, after: string): string {
  if (before === after) return ''
  const [old, now] = [linesOf(before ?? ''), linesOf(after)]
  const shorter = Math.min(old.length, now.length)
  let start = 0
  while (start < shorter && old[start] === now[start]) start++
  let same = 0
  while (same < shorter - start && old[old.length - 1 - same] === now[now.length - 1 - same]) same++
  const first = Math.max(0, start - CONTEXT_LINES)
  const tail = Math.min(same, CONTEXT_LINES)
  const part = (lines: readonly string[]) => lines.slice(start, lines.length - same)
  const rows = [
    ...old.slice(first, start).map((line) => ` ${line}`),
    ...part(old).map((line) => `-${line}`),
    ...part(now).map((line) => `+${line}`),
    ...old.slice(old.length - same, old.length - same + tail).map((line) => ` ${line}`),
  ]
  const range = (lines: readonly string[]) => rangeText(first, lines.length - same + tail - first)
  const head = `--- ${before === undefined ? '/dev/null' : path}\n+++ ${path}\n@@ -${range(old)} +${range(now)} @@\n`
  return head + rows.map((row) => row.replace(/\n?$/, (end) => (end === '\n' ? end : NO_END))).join('')
}

const NO_END = '\n\\ No newline at end of file\n'

/** An empty range names the line before it. */
function rangeText(first: number, count: number): string {
  return `${count === 0 ? first : first + 1},${count}`
}

/** Lines with their ends; the last one may have none. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

/** The table of all servers in docs/servers/README.md, made from the list of parsers. */
import { parsers } from './index.ts'
import type { Parser } from './parser.ts'

const START = '## Servers\n'
const END = '## Left out\n'

/** The page with its table as the parsers are now. @throws {Error} where its headings are missing */
export function serversPage(page: string): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)]
  if (start < 0 || end < start) throw new Error(`the page of servers has no headings ${START.trim()} and ${END.trim()}`)
  return `${page.slice(0, start + START.length)}\n${table()}\n\n${page.slice(end)}`
}

function table(): string {
  const rows = parsers
    .toSorted((a, b) => a.id.localeCompare(b.id))
    .map((parser) => [
      `[${parser.id}](${parser.id}.md)`,
      parser.title,
      linesOf(parser),
      parser.logoutLiterals === undefined ? '' : 'yes',
    ])
  const head = ['id', 'server', 'a login is', 'ends of sessions']
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [`${parsers.length} servers.`, '', line(head), rule, ...rows.map(line)].join('\n')
}

function linesOf({ sample, openLine }: Parser): string {
  const count = sample.length > 1 ? 'several lines, joined' : 'one line'
  return openLine === undefined ? count : `${count}; its own file`
}

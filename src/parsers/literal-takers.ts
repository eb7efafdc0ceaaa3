/** Which strings are looked for in a log, and who takes the lines that hold them. */
import type { Parser } from './parser.ts'

/**
 * The strings to look for, each with the parsers to try on its lines. Of strings that hold one another the shortest is enough: it stands in
 * the same lines.
 */
export function takersByLiteral(parsers: readonly Parser[], logouts: boolean): Map<string, Parser[]> {
  const wanted = parsers.flatMap((parser) =>
    [...parser.literals, ...(logouts ? (parser.logoutLiterals ?? []) : [])].map((text) => [text, parser] as const),
  )
  const texts = new Set(wanted.map(([text]) => text))
  const shortest = [...texts].filter((text) => ![...texts].some((other) => other !== text && text.includes(other)))
  const takers = new Map(shortest.map((text) => [text, [] as Parser[]]))
  for (const [text, parser] of wanted) {
    for (const [inner, list] of takers) if (text.includes(inner) && !list.includes(parser)) list.push(parser)
  }
  return takers
}

// The settings of docs/dovecot-reports.md, word for word: each block of code by the comment before it.
import { readFileSync } from 'node:fs'

const page = readFileSync(new URL('../../../docs/dovecot-reports.md', import.meta.url), 'utf8')

/** The block under `<!-- name -->`, with some words replaced: each must be there. @throws {Error} where the page has no such block or word */
export function settings(name: string, replaced: Readonly<Record<string, string>> = {}): string {
  const start = `<!-- ${name} -->\n\n`
  const at = page.indexOf(start)
  const block = /^```\w*\n([\s\S]*?)^```$/m.exec(at < 0 ? '' : page.slice(at + start.length))
  if (block?.index !== 0) throw new Error(`docs/dovecot-reports.md has no block "${name}"`)
  let text = block[1] ?? ''
  for (const [word, by] of Object.entries(replaced)) {
    if (!text.includes(word)) throw new Error(`the block "${name}" of docs/dovecot-reports.md does not hold ${word}`)
    text = text.replaceAll(word, by)
  }
  return text
}

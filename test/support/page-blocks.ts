// The settings of a page in docs, word for word: what it tells people to write is what is tested.
import { readFileSync } from 'node:fs'

/** What a unit of systemd runs, as a script for `sh -e`. Only for commands that say the same there. */
export function commandsOf(unit: string): string {
  return [...unit.matchAll(/^ExecStart(?:Pre)?=(.*)$/gm)].map(([, command]) => `${command}\n`).join('')
}

/** Gives the block of code under `<!-- name -->`, with some words replaced: each must be there. @throws {Error} where there is no such block or word */
export function blocksOf(page: string): (name: string, replaced?: Readonly<Record<string, string>>) => string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  return (name, replaced = {}) => {
    const start = `<!-- ${name} -->\n\n`
    const at = text.indexOf(start)
    const block = /^```\w*\n([\s\S]*?)^```$/m.exec(at < 0 ? '' : text.slice(at + start.length))
    if (block?.index !== 0) throw new Error(`docs/${page} has no block "${name}"`)
    let result = block[1] ?? ''
    for (const [word, by] of Object.entries(replaced)) {
      if (!result.includes(word)) throw new Error(`the block "${name}" of docs/${page} does not hold ${word}`)
      result = result.replaceAll(word, by)
    }
    return result
  }
}

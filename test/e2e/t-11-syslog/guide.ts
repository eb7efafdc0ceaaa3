// The settings of docs/syslog.md, as they stand there: what the page tells people to write is what is tested.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const page = readFileSync(join(import.meta.dirname, '../../../docs/syslog.md'), 'utf8')

/** The block of the page that begins with ``` and this name, `rsyslog tls` for instance. */
export function settings(name: string): string {
  const fence = `\n\`\`\`${name}\n`
  const start = page.indexOf(fence)
  if (start < 0) throw new Error(`docs/syslog.md has no block ${name}`)
  return page.slice(start + fence.length, page.indexOf('\n```\n', start + fence.length) + 1)
}

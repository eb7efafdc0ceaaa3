/** etc/popauthd.yaml from the option table: every option, commented, at its default. */
import { stringify } from 'yaml'
import { groupOf, groups, type OptionPath, optionPaths, options } from './options.ts'
import { systemPlaces } from './places.ts'

const HEAD = `# Configuration of popauthd: every option, at its default. What is not changed may be left out.
# docs/configuration.md explains the rest; \`popauthd config check\` tries a file before the daemon sees it.
# (reload) takes effect on SIGHUP, (restart) when popauthd is restarted.
# yaml-language-server: $schema=popauthd.schema.json
`

const SOURCES_EXAMPLE = `# For instance:
# sources:
#   - file: /var/log/mail.log
#     timezone: Europe/Berlin
#     servers: [dovecot]
#   - journal: true
`

/** The text of the example file. Loading it as root gives exactly the defaults. */
export function exampleFile(): string {
  let group: string | undefined
  const parts = optionPaths.map((path) => {
    const own = groupOf(path)
    const head = own !== undefined && own !== group ? `\n# ${groups[own]}\n${own}:` : ''
    group = own
    return head === '' ? entry(path) : `${head}${entry(path)}`
  })
  return HEAD + parts.join('')
}

function entry(path: OptionPath): string {
  const group = groupOf(path)
  const indent = group === undefined ? '' : '  '
  const { says, unit, effect } = options[path]
  const comment = wrapped(`${says} (${unit === undefined ? '' : `${unit}; `}${effect})`, `${indent}# `)
  const name = group === undefined ? path : path.slice(group.length + 1)
  const example = path === 'sources' ? SOURCES_EXAMPLE : ''
  return `\n${comment}${example}${indent}${name}: ${defaultText(path)}\n`
}

/** A default as it stands in YAML, on one line. */
export function defaultText(path: OptionPath): string {
  const raw = options[path].default(systemPlaces('linux'))
  return stringify(raw, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trimEnd()
}

const WIDTH = 100

function wrapped(text: string, before: string): string {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string
    if (line !== '' && before.length + line.length + 1 + word.length > WIDTH) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.map((line) => `${before}${line}\n`).join('')
}

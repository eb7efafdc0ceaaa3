/** The files of the project that are made from the option table and the list of parsers. scripts/generate.mjs writes them, a test holds them equal. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../lib/package-root.ts'
import { serversPage } from '../parsers/servers-page.ts'
import { exampleFile } from './example-file.ts'
import { schemaFile } from './json-schema.ts'
import { referencePage } from './reference-page.ts'

/** Paths from the root of the project, and what each file must hold. */
export function generatedFiles(): { path: string; text: string }[] {
  return [
    { path: 'docs/configuration.md', text: referencePage() },
    { path: 'etc/popauthd.yaml', text: exampleFile() },
    { path: 'etc/popauthd.schema.json', text: schemaFile() },
    {
      path: 'docs/servers/README.md',
      text: serversPage(readFileSync(join(packageRoot, 'docs/servers/README.md'), 'utf8')),
    },
  ]
}

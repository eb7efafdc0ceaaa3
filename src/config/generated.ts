/** The files of the project that are made from the option table. scripts/generate.mjs writes them, a test holds them equal. */
import { exampleFile } from './example-file.ts'
import { schemaFile } from './json-schema.ts'
import { referencePage } from './reference-page.ts'

/** Paths from the root of the project, and what each file must hold. */
export function generatedFiles(): { path: string; text: string }[] {
  return [
    { path: 'docs/configuration.md', text: referencePage() },
    { path: 'etc/popauthd.yaml', text: exampleFile() },
    { path: 'etc/popauthd.schema.json', text: schemaFile() },
  ]
}

/** The version of the program, as package.json states it. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** For instance `0.1.0`. */
export const version: string = manifest.version

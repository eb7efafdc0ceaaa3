/** The parsers of a command: the built-in ones, and the operator's own formats where the configuration has some. */
import { readFileSync } from 'node:fs'
import type { LoadedConfig } from '../config/load.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { parsers } from '../parsers/index.ts'
import type { Parser } from '../parsers/parser.ts'
import { heedSenders } from '../parsers/sender.ts'
import type { CliContext } from './context.ts'
import { type ConfigChoice, loadConfigFor } from './load-config.ts'

/** Loads the configuration as the daemon uses it: servers are known, and own formats tried. @throws {UsageError} @throws {PopauthdError} */
export async function loadCheckedConfig(context: CliContext, choice: ConfigChoice = {}): Promise<LoadedConfig> {
  const { ownFormatFaults } = await import('../parsers/custom/index.ts')
  return loadConfigFor(context, {
    ...choice,
    knownServers: parsers.map(({ id }) => id),
    formatFaults: ownFormatFaults,
  })
}

/**
 * All parsers for a command that reads logs. The configuration is loaded only where it is asked for (`--config`, `$POPAUTHD_CONFIG`), or
 * where the default one holds formats or says who writes a server's lines: these commands start at once. @throws {UsageError} the configuration does not validate
 */
export async function knownParsers(context: CliContext): Promise<readonly Parser[]> {
  if (!isNamed(context) && !(await defaultHasFormats(context))) return parsers
  const { config } = await loadCheckedConfig(context)
  const senders = config.sources.flatMap((source) => (source.kind === 'journal' ? (source.senders ?? []) : []))
  const all = config.formats.length === 0 ? parsers : await withFormats(config)
  if (senders.length === 0) return all
  return heedSenders(all, senders)
}

async function withFormats({ formats }: LoadedConfig['config']): Promise<readonly Parser[]> {
  const { allParsers } = await import('../parsers/custom/index.ts')
  return allParsers(formats)
}

function isNamed(context: CliContext): boolean {
  const { config, here = false } = context.globals()
  return config !== undefined || here || (context.env.POPAUTHD_CONFIG ?? '') !== ''
}

/** True where the text of a configuration may hold formats or senders: an option of that name that is not written as an empty list. */
export function mayHoldFormats(text: string): boolean {
  return FORMATS.test(text)
}

const FORMATS = /(?:^|[{,]\s*)["']?(?:formats|senders)["']?\s*:(?!\s*\[\s*\]\s*(?:#.*)?$)/m

/** Looks into the default configuration without taking it apart. One that this user may not read is told, and does without. */
async function defaultHasFormats(context: CliContext): Promise<boolean> {
  const { defaultPlaces } = await import('../config/places.ts')
  const { configFile } = defaultPlaces({ env: context.env })
  try {
    return mayHoldFormats(readFileSync(configFile, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES')
      context.stderr.write(
        `popauthd: formats of your own are not used: you may not read ${escapeForTerminal(configFile)}\n`,
      )
    return false
  }
}

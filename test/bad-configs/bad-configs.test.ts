/** One folder per mistake: popauthd.yaml, and in expected.txt the whole error that it must give. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { UsageError } from '../../src/errors.ts'
import { ownFormatFaults } from '../../src/parsers/custom/index.ts'

const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory())

function errorOf(folder: string): UsageError {
  const file = join(folder, 'popauthd.yaml')
  try {
    const known = { knownServers: ['dovecot', 'qpopper', 'popa3d'], formatFaults: ownFormatFaults }
    loadConfig({ file, env: {}, privileged: true, platform: 'linux', ...known })
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return error as UsageError
  }
  throw new Error(`${file} was accepted`)
}

describe('bad configurations', () => {
  it.each(folders.map((folder) => folder.name))('%s', (name) => {
    const folder = join(import.meta.dirname, name)
    const { message, mend, exitCode } = errorOf(folder)
    expect(exitCode).toBe(2)
    expect(mend).toBe(`correct it, then try \`popauthd config check ${join(folder, 'popauthd.yaml')}\``)
    expect(existsSync(join(folder, 'expected.txt'))).toBe(true)
    expect(`${message.replaceAll(`${folder}/`, '')}\n`).toBe(readFileSync(join(folder, 'expected.txt'), 'utf8'))
  })
})

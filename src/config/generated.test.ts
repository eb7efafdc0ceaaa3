import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { environmentName } from './environment.ts'
import { generatedFiles } from './generated.ts'
import { loadConfig } from './load.ts'
import { optionPaths, options, type Values } from './options.ts'
import { systemPlaces } from './places.ts'
import { configOf, validate } from './validate.ts'

const ROOT = join(import.meta.dirname, '../..')
const system = { env: {}, privileged: true, platform: 'linux' } as const
const defaults = () =>
  configOf(
    validate(new Map(), systemPlaces('linux'), { knownServers: undefined, groupFile: '/etc/group' }).values as Values,
  )

describe('generated files', () => {
  it.each(generatedFiles())('$path is what the option table says (npm run generate)', ({ path, text }) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text)
  })

  it('the example file sets every option, to its default', () => {
    const example = loadConfig({ ...system, file: join(ROOT, 'etc/popauthd.yaml') })
    expect(example.warnings).toEqual([])
    expect(example.config).toEqual(defaults())
    const tree = parse(readFileSync(join(ROOT, 'etc/popauthd.yaml'), 'utf8'))
    for (const path of optionPaths) {
      const [group = '', name] = path.split('.')
      expect(name === undefined ? tree : tree[group], path).toHaveProperty(name ?? group)
    }
  })
})

describe('the option table', () => {
  it('has one sentence for each option', () => {
    for (const path of optionPaths) expect(options[path].says, path).toMatch(/^[A-Z'].*[^.]\.$/)
  })

  it('has a variable of its own for each option that has one', () => {
    const names = optionPaths.map(environmentName).filter((name) => name !== undefined)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('etc/classic.yaml', () => {
  it('is the set-up of 2002', () => {
    const { config, warnings } = loadConfig({ ...system, file: join(ROOT, 'etc/classic.yaml') })
    expect(warnings).toEqual([])
    expect(config.windowSeconds).toBe(7 * 86_400)
    expect(config.sources).toEqual([{ kind: 'file', path: '/var/log/messages', timezone: 'local', servers: [] }])
    expect(config.sendmailAccess).toMatchObject({
      enabled: true,
      path: '/etc/mail/access',
      mapType: 'hash',
      taggedKeys: false,
      writeInfo: true,
    })
    expect(config.socketmap.enabled).toBe(false)
  })
})

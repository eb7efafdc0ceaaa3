import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../errors.ts'
import { packageRoot } from '../lib/package-root.ts'
import { parserById, parsers, selectParsers } from './index.ts'

describe('the list of parsers', () => {
  it('has a page for each, and no page for none', () => {
    const pages = readdirSync(join(packageRoot, 'docs/servers')).map((name) => name.replace(/\.md$/, ''))
    expect(pages.filter((name) => !['README', 'envelopes'].includes(name)).sort()).toEqual(
      parsers.map(({ id }) => id).sort(),
    )
  })

  it('has ids that are unique and literals that survive JSON', () => {
    expect(new Set(parsers.map(({ id }) => id)).size).toBe(parsers.length)
    for (const { literals, isOwnFileOnly } of parsers) {
      const outsideJson = (literal: string) => (isOwnFileOnly ? literal.replaceAll('"', '') : literal)
      for (const literal of literals.map(outsideJson)) expect(JSON.stringify(literal)).toBe(`"${literal}"`)
    }
  })

  it('finds a parser by its id', () => {
    expect(parserById('qpopper').id).toBe('qpopper')
  })

  it.each([
    ['dovcot', 'Did you mean dovecot?'],
    ['uwimap', 'Did you mean uw-imap?'],
  ])('names the nearest to %s', (id, hint) => {
    expect(() => parserById(id)).toThrow(UsageError)
    expect(() => parserById(id)).toThrow(expect.objectContaining({ mend: expect.stringContaining(hint), exitCode: 2 }))
  })

  it('lists all where nothing is near', () => {
    const mend = `Known formats: ${parsers.map(({ id }) => id).join(', ')}`
    expect(() => parserById('microsoft-exchange')).toThrow(expect.objectContaining({ mend }))
  })

  it('selects each once, and all where none is named', () => {
    expect(selectParsers([])).toBe(parsers)
    expect(selectParsers(['popa3d', 'dovecot', 'popa3d']).map(({ id }) => id)).toEqual(['popa3d', 'dovecot'])
  })
})

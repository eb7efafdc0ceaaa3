import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { packageRoot } from '../lib/package-root.ts'
import { withEntry, withValues } from './popauthd-yaml.ts'

const entry = { protocol: 'socketmap', socket: '/var/spool/postfix/popauthd/map.sock', group: 'postfix' }
const LINES = `  - protocol: socketmap
    socket: /var/spool/postfix/popauthd/map.sock
    group: postfix
`

describe('an entry of a list', () => {
  it.each<[string, string | undefined, string]>([
    ['no file', undefined, `lookups:\n${LINES}`],
    ['an empty file', '\n', `lookups:\n${LINES}`],
    ['no such list', '# mine\nwindow_seconds: 60', `# mine\nwindow_seconds: 60\n\nlookups:\n${LINES}`],
    ['only comments', '# mine\n', `# mine\n\nlookups:\n${LINES}`],
    ['an empty list', 'lookups: [] # none\nlog: {}\n', `lookups: # none\n${LINES}log: {}\n`],
    ['nothing but comments', 'lookups: # none\n  # yet\n', `lookups: # none\n${LINES}  # yet\n`],
    ['nothing', 'lookups:\nlog: {}\n', `lookups:\n${LINES}log: {}\n`],
    ['nothing at the end', 'log: {}\nlookups:', `log: {}\nlookups:\n${LINES}`],
    [
      'a list',
      'lookups:\n  # Exim\n  - protocol: readsocket\n    socket: /a # here\n\n# the rest\nlog: {}\n',
      `lookups:\n  # Exim\n  - protocol: readsocket\n    socket: /a # here\n${LINES}\n# the rest\nlog: {}\n`,
    ],
    [
      'a list that is not indented',
      'lookups:\n- {protocol: readsocket, socket: /a}',
      `lookups:\n- {protocol: readsocket, socket: /a}\n${LINES.replace(/^ {2}/gm, '')}`,
    ],
  ])('%s', (_, before, after) => expect(withEntry(before, 'lookups', entry)).toBe(after))

  it('in a list in brackets is added too, and comments stay', () => {
    const after = withEntry('# mine\nlookups: [{protocol: readsocket, socket: /a}]\n# end\n', 'lookups', entry)
    expect(parse(after)).toEqual({ lookups: [{ protocol: 'readsocket', socket: '/a' }, entry] })
    expect(after).toMatch(/^# mine\n[\s\S]*# end\n$/)
  })

  it('in the example file changes one line, and values that look like others are quoted', () => {
    const example = readFileSync(join(packageRoot, 'etc/popauthd.yaml'), 'utf8')
    expect(withEntry(example, 'lookups', entry)).toBe(example.replace('lookups: []\n', `lookups:\n${LINES}`))
    expect(parse(withEntry(undefined, 'maps', { mode: '0640', path: '/a: b' }))).toEqual({
      maps: [{ mode: '0640', path: '/a: b' }],
    })
  })
})

describe('options of a group', () => {
  it.each<[string, string | undefined, string]>([
    ['no file', undefined, 'socketmap:\n  enabled: true\n'],
    ['no such group', 'log: {}\n', 'log: {}\n\nsocketmap:\n  enabled: true\n'],
    ['another value', 'socketmap:\n  enabled: false # off\n', 'socketmap:\n  enabled: true # off\n'],
    ['nothing', 'socketmap: # later\n  # mode: "0666"\n', 'socketmap: # later\n  enabled: true\n  # mode: "0666"\n'],
    ['nothing at the end', 'log: {}\nsocketmap: ~', 'log: {}\nsocketmap:\n  enabled: true\n'],
    ['the same value', 'socketmap: {enabled: true}\n', 'socketmap: {enabled: true}\n'],
    [
      'other options',
      'socketmap:\n  # all\n  mode: "0666"\nlog: {}\n',
      'socketmap:\n  # all\n  enabled: true\n  mode: "0666"\nlog: {}\n',
    ],
  ])('%s', (_, before, after) => expect(withValues(before, 'socketmap', { enabled: true })).toBe(after))

  it('that stand elsewhere are written out', () => {
    const text = 'control: &rights\n  mode: "0660"\nsocketmap: *rights\n'
    expect(parse(withValues(text, 'socketmap', { enabled: true }))).toEqual({
      control: { mode: '0660' },
      socketmap: { mode: '0660', enabled: true },
    })
  })

  it('in braces are set too', () => {
    const after = withValues('socketmap: {enabled: false, mode: "0666"}\n', 'socketmap', { enabled: true })
    expect(parse(after)).toEqual({ socketmap: { enabled: true, mode: '0666' } })
  })
})

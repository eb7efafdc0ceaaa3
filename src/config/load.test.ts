import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PopauthdError, UsageError } from '../errors.ts'
import { changedOptions, type LoadOptions, loadConfig } from './load.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-config-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function load(text: string | Buffer, more: LoadOptions = {}) {
  const file = join(directory, 'popauthd.yaml')
  writeFileSync(file, text, { mode: 0o644 })
  return loadConfig({ file, env: {}, privileged: true, platform: 'linux', ...more })
}

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as Error).message.replaceAll(`${directory}/`, '')
  }
  throw new Error('it was accepted')
}

const defaults = (more: LoadOptions = {}) => load('', more).config

describe('defaults', () => {
  it('are those of the system for an empty file, a comment, and an empty group', () => {
    expect(defaults()).toMatchObject({
      stateDirectory: '/var/lib/popauthd',
      windowSeconds: 1800,
      whenStopped: 'until_expiry',
      sources: [],
      admission: {
        neverDefaults: true,
        addressesPerUser: 10,
        usersPerAddress: 20,
        ipv6Prefix: 128,
        maxAddresses: 2_000_000,
      },
      control: { path: '/run/popauthd/control.sock', mode: 0o660, group: undefined },
      sendmailAccess: { enabled: false, path: '/var/lib/popauthd/sendmail/access', taggedKeys: true },
      socketmap: { enabled: true, path: '/run/popauthd/sendmail.sock', mode: 0o660 },
    })
    expect(load('# nothing\n---\nadmission:\n').config).toEqual(defaults())
  })

  it('are the XDG places of a user without privileges', () => {
    const env = { XDG_STATE_HOME: '/home/ann/state', XDG_RUNTIME_DIR: '/run/user/1000' }
    const config = defaults({ privileged: false, env })
    expect(config.stateDirectory).toBe('/home/ann/state/popauthd')
    expect(config.control.path).toBe('/run/user/1000/popauthd/control.sock')
    expect(config.sendmailAccess.path).toBe('/home/ann/state/popauthd/sendmail/access')
    expect(defaults({ privileged: false, env: { XDG_STATE_HOME: 'relative' }, home: '/home/ann' }).stateDirectory).toBe(
      '/home/ann/.local/state/popauthd',
    )
  })

  it('follow the state directory where they lie in it', () => {
    expect(load('state_directory: /srv/pa').config.sendmailAccess.path).toBe('/srv/pa/sendmail/access')
    const config = load('state_directory: /srv/pa', { privileged: false, home: '/home/ann' }).config
    expect(config.socketmap.path).toBe('/srv/pa/run/sendmail.sock')
  })

  it('apply where the default file is missing, but a named file must exist', () => {
    const loaded = loadConfig({ env: { XDG_CONFIG_HOME: directory }, privileged: false, home: directory })
    expect(loaded.file).toBeUndefined()
    const missing = join(directory, 'missing.yaml')
    for (const named of [{ file: missing, env: {} }, { env: { POPAUTHD_CONFIG: missing } }])
      expect(() => loadConfig({ ...named, privileged: true })).toThrow(/cannot read .*missing\.yaml: no such file/)
  })
})

describe('a file', () => {
  it('sets every kind of option', () => {
    const { config, warnings } = load(`
window_seconds: 600
sources:
  - file: /var/log/mail.log
    timezone: Europe/Berlin
    servers: [dovecot]
  - journal: true
admission:
  never: [192.0.2.0/24, "2001:db8::/32"]
  ipv6_prefix: 64
socketmap: { mode: "0666", group: 0 }
sendmail_access:
  map_type: cdb
`)
    expect(warnings).toEqual([])
    expect(config.windowSeconds).toBe(600)
    expect(config.sources).toEqual([
      { kind: 'file', path: '/var/log/mail.log', timezone: 'Europe/Berlin', servers: ['dovecot'] },
      { kind: 'journal', timezone: 'local', servers: [] },
    ])
    expect(config.admission.never.map((one) => one.text)).toEqual(['192.0.2.0/24', '2001:db8::/32'])
    expect(config.socketmap).toMatchObject({ mode: 0o666, group: '0' })
    expect(config.sendmailAccess.editmapCommand).toEqual([])
  })

  it('may use aliases, but not a billion of them', () => {
    expect(
      load('admission:\n  addresses_per_user: &n 7\n  users_per_address: *n\n').config.admission.usersPerAddress,
    ).toBe(7)
    const layers = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`)
    expect(messageOf(() => load(`l0: &l0 x\n${layers.join('\n')}\n`))).toMatch(/too many aliases/)
  })

  it('is refused when it is nested beyond reason, too large, a directory, or no UTF-8', () => {
    expect(messageOf(() => load('servers: '.padEnd(200_000, '[')))).toMatch(/nested too deeply|is no YAML/)
    expect(() => load('#'.repeat(1_048_577))).toThrow(/larger than 1048576 bytes/)
    expect(messageOf(() => load(Buffer.from('# ok\nservers: [\xff]\n', 'latin1')))).toMatch(
      /popauthd\.yaml:2:1: is not UTF-8/,
    )
    mkdirSync(join(directory, 'd'))
    expect(() => loadConfig({ file: join(directory, 'd'), env: {} })).toThrow(/d: it is a directory/)
  })

  it('that cannot be read is no usage error', () => {
    const error = (() => {
      try {
        loadConfig({ file: join(directory, 'none'), env: {} })
      } catch (caught) {
        return caught
      }
    })()
    expect(error).toBeInstanceOf(PopauthdError)
    expect((error as PopauthdError).exitCode).toBe(3)
  })

  it('that everybody may write is a warning', () => {
    load('')
    chmodSync(join(directory, 'popauthd.yaml'), 0o666)
    const { warnings } = loadConfig({ file: join(directory, 'popauthd.yaml'), env: {}, privileged: true })
    expect(warnings).toEqual([expect.stringContaining('everybody on this host may change it')])
  })

  it('cannot reach prototypes', () => {
    expect(messageOf(() => load('__proto__: { window_seconds: 60 }\nconstructor: 1\n'))).toMatch(/2 problems/)
    expect(messageOf(() => load('sources: [{ file: /a, __proto__: 1 }]'))).toMatch(/__proto__: no such option/)
  })

  it('shows what it holds escaped', () => {
    const message = messageOf(() => load('"\\e[2J": 1\nwhen_stopped: "a\\u202eb\\e"\n'))
    expect(message).not.toMatch(/[\x1b\u202e]/)
  })
})

describe('overrides', () => {
  it('of the environment beat the file, those of the command line beat both', () => {
    const env = { POPAUTHD_WINDOW_SECONDS: '120', POPAUTHD_SOCKETMAP_ENABLED: 'false', POPAUTHD_LOG_LEVEL: 'debug' }
    const { config } = load('window_seconds: 60\nlog: { level: warn }', { env, overrides: { log: { level: 'error' } } })
    expect([config.windowSeconds, config.socketmap.enabled, config.log.level]).toEqual([120, false, 'error'])
  })

  it('resolve relative paths against the working directory', () => {
    const overrides = {
      state_directory: './var',
      control: { socket: 'var/run/c.sock' },
      sources: [{ file: 'mail.log' }],
    }
    const { config } = load('', { overrides, cwd: '/srv/clone' })
    expect(config.stateDirectory).toBe('/srv/clone/var')
    expect(config.control.path).toBe('/srv/clone/var/run/c.sock')
    expect(config.sources).toMatchObject([{ path: '/srv/clone/mail.log' }])
  })

  it('are told with their place', () => {
    const env = { POPAUTHD_WINDOW_SECONDS: '30m', POPAUTHD_CONTROL_SOCKET: 'c.sock' }
    const message = messageOf(() => load('', { env, overrides: { windw: 1 } }))
    expect(message).toContain('POPAUTHD_WINDOW_SECONDS: window_seconds: found "30m"')
    expect(message).toContain('POPAUTHD_CONTROL_SOCKET: control.socket: found "c.sock", expected an absolute path')
    expect(message).toContain('command line: windw: no such option')
  })

  it('by a variable that does not exist are a warning', () => {
    const { warnings } = load('', { env: { POPAUTHD_WINDOW_SECOND: '60', PATH: '/bin' } })
    expect(warnings).toEqual([
      expect.stringMatching(/^POPAUTHD_WINDOW_SECOND: .*did you mean POPAUTHD_WINDOW_SECONDS\?$/),
    ])
  })
})

describe('checks', () => {
  it('warn where never and always overlap, and of very wide networks', () => {
    const { warnings } = load('admission:\n  never: [192.0.2.0/24]\n  always:\n    - 192.0.2.7\n    - 10.0.0.0/8\n')
    expect(warnings.map((line) => line.replace(`${directory}/`, ''))).toEqual([
      'popauthd.yaml:4:7: admission.always[0]: 192.0.2.7 overlaps 192.0.2.0/24 of admission.never, which wins',
    ])
    expect(load('admission: { always: [10.0.0.0/7] }').warnings).toEqual([expect.stringContaining('very wide')])
  })

  it('warn of a command that must rebuild the map in place', () => {
    expect(load('sendmail_access: { makemap_command: [/etc/mail/makeaccess] }').warnings).toEqual([
      expect.stringContaining('in place'),
    ])
  })

  it('know the groups of the host by name', () => {
    const groupFile = join(directory, 'group')
    writeFileSync(groupFile, 'root:x:0:\nsmmsp:x:118:mail\n')
    expect(load('socketmap: { group: smmsp }', { groupFile }).config.socketmap.group).toBe('smmsp')
    expect(messageOf(() => load('socketmap: { group: smms }', { groupFile }))).toMatch(/has no group "smms"/)
  })

  it('know the servers where they are told them', () => {
    const knownServers = ['dovecot', 'qpopper']
    expect(load('servers: [qpopper]', { knownServers }).config.servers).toEqual(['qpopper'])
    expect(messageOf(() => load('sources: [{ file: /a, servers: [dovecott] }]', { knownServers }))).toMatch(
      /popauthd\.yaml:1:33: sources\[0\]\.servers\[0\]: no server "dovecott" is known; did you mean dovecot\?/,
    )
  })
})

describe('changedOptions', () => {
  it('tells what differs and what it takes', () => {
    const before = load('').values
    expect(changedOptions(before, load('').values)).toEqual([])
    const after = load('window_seconds: 60\nsocketmap: { enabled: false }\nadmission: { never: [192.0.2.1] }').values
    expect(changedOptions(before, after)).toEqual([
      { path: 'window_seconds', effect: 'reload' },
      { path: 'admission.never', effect: 'reload' },
      { path: 'socketmap.enabled', effect: 'restart' },
    ])
  })
})

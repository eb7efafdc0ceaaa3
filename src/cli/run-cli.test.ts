import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from './commands.ts'
import { callCli } from './fake-process.ts'

describe('the overview', () => {
  it('names every command, without arguments, with --help and with help', async () => {
    for (const args of [[], ['--help'], ['help']]) {
      const { code, stdout, stderr } = await callCli(args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const name of Object.keys(commands)) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    }
  })

  it.each(Object.keys(commands))('%s has help with examples', async (name) => {
    const args = name === 'config' ? ['config', 'check', '--help'] : ['help', name]
    const { code, stdout } = await callCli(args)
    expect(code).toBe(0)
    expect(stdout).toContain('Examples:\n')
    expect(stdout).toMatch(new RegExp(`Usage: popauthd ${name}`))
  })

  it('gives the version', async () => {
    const { code, stdout } = await callCli(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('wrong arguments: exit code 2, one message, a mend', () => {
  it.each([
    [['lst'], /unknown command 'lst'[\s\S]*list/],
    [['list', '--frob'], /unknown option '--frob'/],
    [['check'], /missing required argument 'ip'/],
    [['check', '198.51.100'], /"198\.51\.100" is not an IP address/],
    [['check', '198.51.100.0/24'], /not an IP address[\s\S]*admission\.never/],
    [['check', 'localhost'], /"localhost" is not an IP address/],
    [['block'], /neither an address nor a user/],
    [['block', '198.51.100.7', '--user', 'alice'], /one at a time/],
    [['block', '--user', ''], /cannot be a user name/],
    [['block', '--user', 'a\u001b[2J'], /cannot be a user name/],
    [['allow', '198.51.100.7', '--for', '5'], /"5" is not a duration[\s\S]*90s, 30m, 1h/],
    [['allow', '--user', 'alice', '--for', '1h'], /--for goes with an address/],
    [['scan'], /missing required argument 'file'/],
    [['scan', '--format', 'dovcot', '-'], /dovcot[\s\S]*dovecot/],
    [['scan', '--year', '26', '-'], /"26" is not a year/],
    [['scan', '--timezone', 'Mars/Olympus', '-'], /unknown time zone/],
    [['run', '--demo'], /--demo works on the state of a checkout only/],
    [['check', '198.51.100.7', 'extra'], /too many arguments/],
    [['config'], /a subcommand is missing[\s\S]*--help/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await callCli(args)
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^popauthd: /)
    expect(stderr).not.toMatch(/\n {4}at /)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('names the command whose help shows what it takes', async () => {
    expect((await callCli(['check'])).stderr).toMatch(/\n {2}popauthd check --help/)
    expect((await callCli(['config', 'chek'])).stderr).toMatch(/\n {2}popauthd config --help/)
    expect((await callCli(['lst'])).stderr).toMatch(/popauthd COMMAND --help/)
  })

  it('says nothing unescaped', async () => {
    const { stderr } = await callCli(['check', '\u001b[31m\u202e'])
    expect(stderr).toContain('\\x1b[31m\\u202e')
    expect(stderr).not.toMatch(/[\u001b\u202e]/)
  })

  it('colors its name on a terminal, unless NO_COLOR asks not to', async () => {
    expect((await callCli(['lst'], { isTTY: true })).stderr).toMatch(/^\u001b\[31mpopauthd:/)
    expect((await callCli(['lst'], { isTTY: true, env: { NO_COLOR: '1' } })).stderr).toMatch(/^popauthd:/)
  })

  it('shows the stack with --debug only', async () => {
    expect((await callCli(['--debug', 'check', 'x'])).stderr).toMatch(/\n {4}at /)
  })
})

describe('without a daemon and without a table', () => {
  let directory: string
  let config: string

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'popauthd-cli-'))
    config = join(directory, 'popauthd.yaml')
    const state = join(directory, 'state')
    writeFileSync(config, `state_directory: ${state}\ncontrol:\n  socket: ${join(directory, 'control.sock')}\n`)
  })

  afterAll(() => rmSync(directory, { recursive: true }))

  it.each([['list'], ['status'], ['check', '198.51.100.7'], ['why', '198.51.100.7']])(
    '%s: exit code 3, and how to begin',
    async (...args) => {
      const { code, stderr } = await callCli(['--config', config, ...args])
      expect(stderr).toMatch(/table\.mdb: no such file/)
      expect(code).toBe(3)
    },
  )

  it('takes --config after the command too, and tells a file that is not there', async () => {
    const { code, stderr } = await callCli(['list', '--config', join(directory, 'none.yaml')])
    expect(stderr).toMatch(/none\.yaml: no such file/)
    expect(code).toBe(3)
  })

  it('config check: 2 where a map cannot hold what always may relay', async () => {
    const file = join(directory, 'cdb.yaml')
    const map = (format: string) => `maps:\n  - format: ${format}\n    path: ${join(directory, 'map')}\n`
    writeFileSync(file, `${map('exim_iplsearch')}admission:\n  always: ["2001:db8::/64"]\n`)
    expect(await callCli(['config', 'check', file])).toMatchObject({ code: 0 })
    writeFileSync(file, `${map('exim_cdb')}admission:\n  always: ["2001:db8::/64"]\n`)
    const { code, stderr } = await callCli(['config', 'check', file])
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot write 2001:db8::/64 into a cdb'),
    })
    const json = await callCli(['config', 'check', '--json', file])
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, problems: [expect.stringContaining('2001:db8::/64')] })
    expect(existsSync(join(directory, 'map'))).toBe(false)
  })

  it('config check: 0 for a good file, 2 with line numbers for a bad one', async () => {
    expect(await callCli(['config', 'check', config])).toMatchObject({ code: 0, stdout: `${config}: valid\n` })
    const bad = join(directory, 'bad.yaml')
    writeFileSync(bad, 'window_secnds: 5\nwhen_stopped: perhaps\n')
    const text = await callCli(['config', 'check', bad])
    expect(text.code).toBe(2)
    expect(text.stderr).toMatch(/bad\.yaml:1:1.*window_seconds[\s\S]*bad\.yaml:2:/)
    const json = await callCli(['config', 'check', '--json', bad])
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, file: bad })
  })
})

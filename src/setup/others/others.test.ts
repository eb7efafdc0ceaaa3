import { expect, it } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Accounts } from '../../doctor/accounts.ts'
import { fakeTools } from '../fake-tools.ts'
import type { SetupContext } from '../plan.ts'
import type { Tools } from '../tools.ts'
import { courier } from './courier.ts'
import { opensmtpd } from './opensmtpd.ts'
import { qmail } from './qmail.ts'

const accounts = new Accounts(
  'popauthd:x:900:900::/:/bin/false\n_smtpd:x:77:77::/:/bin/false\n',
  'popauthd:x:900:\n_smtpd:x:77:\n',
)

function contextOf(tools: Tools, there: readonly string[] = [], options: Record<string, unknown> = {}): SetupContext {
  const directory = {
    mode: 0o40755,
    uid: 0,
    gid: 0,
    isDirectory: () => true,
    isFile: () => false,
    isSocket: () => false,
  }
  return {
    tools: { ...tools, stat: async (path) => (there.includes(path) ? directory : undefined) },
    accounts,
    loaded: loadConfig({ env: {}, privileged: true, home: '/', groupFile: '/dev/null', overrides: options }),
    configFile: '/x.yaml',
    daemonUser: 'popauthd',
    by: undefined,
    withDoctor: false,
  }
}

it('OpenSMTPD: the group of the host, and rules that go in by hand', async () => {
  const smtpd = { 'smtpd -h': { code: 1, stderr: 'version: OpenSMTPD 7.6.0-portable\n' } }
  const plan = await opensmtpd.plan(contextOf(fakeTools(smtpd), ['/usr/local/libexec/smtpd']))
  expect(plan.troubles).toEqual([])
  expect(plan.steps[0]).toMatchObject({ after: expect.stringContaining('group: _smtpd') })
  expect(plan.steps[2]).toMatchObject({
    command: ['ln', '-s', expect.any(String), '/usr/local/libexec/smtpd/table-popauthd'],
  })
  expect(plan.steps[3]).toMatchObject({ kind: 'hand', done: false })
  const old = fakeTools({ 'smtpd -h': { stderr: 'version: OpenSMTPD 6.8.0p2\n' } })
  expect((await opensmtpd.plan(contextOf(old))).troubles).toMatchObject([
    { text: expect.stringContaining('6.8 cannot ask') },
  ])
  expect((await opensmtpd.plan(contextOf(fakeTools({})))).troubles).toMatchObject([
    { text: expect.stringContaining('not installed') },
  ])
})

it('Courier: the units where systemd is', async () => {
  const plan = await courier.plan(contextOf(fakeTools({}), ['/etc/courier/smtpaccess', '/etc/systemd/system']))
  expect(plan.troubles).toEqual([])
  expect(plan.steps.map((step) => (step.kind === 'command' ? step.command[0] : step.path))).toEqual([
    '/x.yaml',
    '/etc/systemd/system/popauthd-courier.path',
    '/etc/systemd/system/popauthd-courier.service',
  ])
  expect((await courier.plan(contextOf(fakeTools({}), ['/etc/courier/smtpaccess']))).steps).toHaveLength(1)
  expect((await courier.plan(contextOf(fakeTools({})))).troubles).toHaveLength(1)
})

it('Courier: the file of the map gets into its directory, read as the user of popauthd', async () => {
  const map = { format: 'courier', path: '/srv/own', rules: '/srv/rules', command: ['/bin/true'] }
  const { steps, troubles } = await courier.plan(
    contextOf(fakeTools({}), ['/srv/rules', '/etc/systemd/system'], { maps: [map] }),
  )
  expect(troubles).toEqual([])
  expect(steps[2]).toMatchObject({
    lines: expect.stringContaining(
      "'setpriv --reuid=popauthd --regid=popauthd --clear-groups cat /srv/own >/srv/rules.new; mv -fT /srv/rules.new /srv/rules/popauthd'",
    ),
  })
})

it('a path that a unit or a configuration would read as something else is left to the operator', async () => {
  const directories = ['/etc/courier/smtpaccess', '/etc/systemd/system']
  const state = { state_directory: '/srv/mail state' }
  const socket = { lookups: [{ protocol: 'opensmtpd', socket: '/srv/a b', mode: '0666' }] }
  const smtpd = fakeTools({ 'smtpd -h': { stderr: 'version: OpenSMTPD 7.6.0\n' } })
  const plans = await Promise.all([
    courier.plan(contextOf(fakeTools({}), directories, state)),
    qmail.plan(contextOf(fakeTools({ tcpserver: { code: 100 } }), [], state)),
    opensmtpd.plan(contextOf(smtpd, [], socket)),
  ])
  expect(plans.map(({ troubles }) => troubles.map(({ text }) => text).join())).toEqual([
    expect.stringMatching(/^\/srv\/mail state cannot stand in a unit/),
    expect.stringMatching(/^\/srv\/mail state\/qmail\/tcp.smtp.cdb cannot stand in a run script/),
    expect.stringMatching(/^\/srv\/a b cannot stand in smtpd.conf/),
  ])
})

it('qmail: own rules where there are some, and the run script by hand', async () => {
  const tools = fakeTools(
    { tcpserver: { code: 100 } },
    { '/service/qmail-smtpd/run': 'exec tcpserver -x /etc/tcp.smtp.cdb 0 25 qmail-smtpd\n' },
  )
  const plan = await qmail.plan(contextOf(tools, ['/etc/tcp.smtp']))
  expect(plan.troubles).toEqual([])
  expect(plan.steps).toMatchObject([
    { after: expect.stringContaining('rules: /etc/tcp.smtp') },
    { kind: 'hand', done: false, path: '/service/qmail-smtpd/run' },
  ])
  expect((await qmail.plan(contextOf(fakeTools({})))).troubles).toHaveLength(1)
})

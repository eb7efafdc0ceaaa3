import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Accounts } from '../../doctor/accounts.ts'
import { fakeTools } from '../fake-tools.ts'
import { isDone, type Plan, type SetupContext } from '../plan.ts'
import { postfix } from './plan.ts'

const accounts = new Accounts(
  'root:x:0:0::/root:/bin/sh\npostfix:x:101:102::/:/bin/false\npopauthd:x:900:900::/:/bin/false\n',
  'root:x:0:\npostfix:x:102:\npopauthd:x:900:\n',
)
const RELAY = 'permit_mynetworks permit_sasl_authenticated defer_unauth_destination'
const SERVICES = 'smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd -o smtpd_relay_restrictions=reject\n'

/** The plan for a Postfix whose answers differ as given. */
function planOf(
  answers: {
    relay?: string
    recipient?: string
    types?: string
    services?: string
    overrides?: string
    mainCf?: string
    version?: string
    /** Entries of `maps`. */
    maps?: readonly Record<string, unknown>[]
    ipv6Prefix?: number
    /** The socket of `lookups`. */
    socket?: string
    /** Directories that are there, and the ids of their owners. */
    directories?: Readonly<Record<string, number>>
    files?: Readonly<Record<string, string>>
  } = {},
  changes: Partial<SetupContext> = {},
): Promise<Plan> {
  const { relay = RELAY, recipient = '', types = 'lmdb\nsocketmap\n', services = SERVICES, overrides = '' } = answers
  const { version = '3.7.11', maps = [], ipv6Prefix = 128, socket, directories = {} } = answers
  const tools = fakeTools(
    {
      'postconf -x': `mail_version = ${version}\nconfig_directory = /etc/postfix\nqueue_directory = /srv/queue\nmail_owner = postfix\nmynetworks =\nsmtpd_relay_restrictions = ${relay}\nsmtpd_recipient_restrictions = ${recipient}\n`,
      'postconf -m': types,
      'postconf -M': services,
      'postconf -P': overrides,
    },
    {
      '/etc/postfix/main.cf': answers.mainCf ?? `smtpd_relay_restrictions = ${relay}\n`,
      ...(maps.length === 0 ? {} : { '/x.yaml': 'maps: as given\n' }),
      ...answers.files,
    },
  )
  const lookups = socket === undefined ? [] : [{ protocol: 'socketmap', socket, mode: '0666' }]
  const options = { maps, lookups, admission: { ipv6_prefix: ipv6Prefix } }
  const loaded = loadConfig({ env: {}, privileged: true, home: '/', groupFile: '/dev/null', overrides: options })
  return postfix.plan({
    tools: { ...tools, stat: async (path) => directoryOf(directories[path]) },
    accounts,
    loaded,
    configFile: '/x.yaml',
    daemonUser: 'popauthd',
    by: undefined,
    withDoctor: false,
    ...changes,
  })
}

function directoryOf(uid: number | undefined) {
  if (uid === undefined) return undefined
  return { mode: 0o40755, uid, gid: 0, isDirectory: () => true, isFile: () => false, isSocket: () => false }
}

const told = ({ troubles }: Plan) => troubles.map(({ text }) => text).join('\n')

describe('the recipe for Postfix', () => {
  it('has the values of the host', async () => {
    const plan = await planOf()
    expect(told(plan)).toBe('')
    expect(plan.steps.map((step) => (step.kind === 'command' ? step.command.join(' ') : step.path))).toEqual([
      '/x.yaml',
      'install -d -m 0755 -o popauthd -g postfix /srv/queue/popauthd',
      'usermod -aG postfix popauthd',
      '/etc/postfix/main.cf',
    ])
    expect(plan.steps[0]).toMatchObject({ after: expect.stringContaining('socket: /srv/queue/popauthd/map.sock') })
    expect(plan.steps.some(isDone)).toBe(false)
  })

  it('takes the policy service where there are no socket maps', async () => {
    const plan = await planOf({ types: 'lmdb\n' })
    expect(plan).toMatchObject({ by: 'policy', troubles: [] })
    expect(told(await planOf({ types: 'lmdb\n' }, { by: 'socketmap' }))).toMatch(/has no socketmap/)
    expect(told(await planOf({ version: '2.11.3' }, { by: 'policy' }))).toMatch(/2\.11\.3 takes no \{ \}/)
    expect(told(await planOf({ version: '2.11.3' }))).toBe('')
  })

  it.each<[string, Parameters<typeof planOf>[0], RegExp]>([
    [
      'a list that is not understood',
      { relay: 'permit_mynetworks, reject_rbl_client x, reject_unauth_destination' },
      /holds "reject_rbl_client"/,
    ],
    [
      'a list that stands twice',
      { mainCf: `smtpd_relay_restrictions = ${RELAY}\nsmtpd_relay_restrictions = ${RELAY}\n` },
      /more than once/,
    ],
    [
      'a list of other parameters',
      { mainCf: 'smtpd_relay_restrictions = $mine, reject_unauth_destination\n' },
      /names other parameters/,
    ],
    [
      'recipient restrictions that refuse',
      { recipient: 'permit_mynetworks, reject_unauth_destination' },
      /smtpd_recipient_restrictions refuses too/,
    ],
    [
      'a port 25 of its own',
      { overrides: 'smtp/inet/smtpd_relay_restrictions = permit_mynetworks,reject\n' },
      /main\.cf does not count there/,
    ],
  ])('is not carried out with %s', async (_, answers, why) => expect(told(await planOf(answers))).toMatch(why))

  it('tells of ports where it does not hold', async () => {
    const { notes } = await planOf({
      overrides: 'submission/inet/smtpd_relay_restrictions = permit_sasl_authenticated,reject\n',
    })
    expect(notes.join('\n')).toMatch(/does not hold at submission\/inet/)
  })

  it('is not carried out with a socket that main.cf would read as more than a path', async () => {
    expect(told(await planOf({ socket: '/srv/queue/own/x:postfix, permit' }))).toMatch(/cannot stand in main\.cf/)
  })

  it('leaves lines of a drop-in that is there', async () => {
    const path = '/etc/systemd/system/popauthd.service.d/postfix.conf'
    const dropIn = async (text: string) => {
      const { steps } = await planOf({ files: { '/lib/systemd/system/popauthd.service': '', [path]: text } })
      return steps.find((step) => step.kind === 'file' && step.path === path)
    }
    const lines = '[Service]\nReadWritePaths=/srv/queue/popauthd\n'
    expect(await dropIn('[Service]\nNice=5\n')).toMatchObject({ after: `[Service]\nNice=5\n\n${lines}` })
    expect(await dropIn(`${lines}Nice=5\n`)).toMatchObject({ after: `${lines}Nice=5\n` })
  })

  it('gives away no directory but its own', async () => {
    const made = ({ steps }: Plan) => steps.filter((step) => step.kind === 'command' && step.command[0] === 'install')
    const own = await planOf({ socket: '/srv/queue/own/deep/map.sock', directories: { '/srv/queue/own': 900 } })
    expect([told(own), made(own)]).toMatchObject([
      '',
      [{ command: expect.arrayContaining(['/srv/queue/own']), done: true }],
    ])
    const taken = { socket: '/srv/queue/private/map.sock', directories: { '/srv/queue/private': 101 } }
    expect(told(await planOf(taken))).toMatch(/private is there already, and belongs to postfix, not to popauthd/)
    expect(made(await planOf(taken, { daemonUser: 'root' }))).toMatchObject([{ done: true }])
    const bare = await planOf({ socket: '/srv/queue/map.sock', directories: { '/srv/queue': 0 } })
    expect([told(bare), made(bare)]).toEqual([expect.stringMatching(/where only root may make one/), []])
  })

  it('is written where none stands, and printed where there is no Postfix', async () => {
    const plan = await planOf({ mainCf: 'myhostname = mx' })
    expect(plan.steps.at(-1)).toMatchObject({
      after: expect.stringMatching(
        /^myhostname = mx\nsmtpd_relay_restrictions =\n {4}permit_mynetworks\n[\s\S]*reject_unauth_destination\n$/,
      ),
    })
    expect(plan.notes).toEqual([])
    expect((await planOf()).notes).toEqual([expect.stringMatching(/defer_unauth_destination stays/)])
    const absent = await planOf({}, { tools: fakeTools({}) })
    expect(told(absent)).toMatch(/not installed/)
    expect(absent.steps).toHaveLength(2)
  })

  it('is not carried out where the user of popauthd is not known', async () => {
    expect(told(await planOf({}, { daemonUser: undefined }))).toMatch(/which user popauthd runs as/)
  })
})

describe('the recipe for Postfix by map', () => {
  const types = 'cdb\nhash\nlmdb\npipemap\nregexp\nsocketmap\n'
  const by = { by: 'map' }
  const guarded = 'check_client_access pipemap:{ regexp:{ { /^([0-9a-f.:]+)$$/ $$1 } }, lmdb:'

  it('has popauthd keep a table, and Postfix look for whole addresses in it', async () => {
    const plan = await planOf({ types }, by)
    expect(told(plan)).toBe('')
    expect(plan.by).toBe('map')
    expect(plan.steps).toMatchObject([
      { path: '/x.yaml', after: expect.stringContaining('path: /var/lib/popauthd/postfix/authorized') },
      { path: '/etc/postfix/main.cf', after: expect.stringContaining(`    ${guarded}/var/lib/popauthd/`) },
    ])
    const { after = '' } = plan.steps[1] as { after?: string }
    const maps = [{ format: 'postfix', path: '/var/lib/popauthd/postfix/authorized', map_type: 'lmdb' }]
    const again = await planOf({
      types,
      mainCf: after,
      maps,
      relay: `x ${guarded.replaceAll('$$', '$')}${'/var/lib/popauthd/postfix/authorized'} }`,
    })
    expect(again.by).toBe('map')
    expect(again.steps.map(isDone)).toEqual([true, true])
  })

  it('takes the table of the configuration, else the best type that this Postfix has', async () => {
    const maps = [{ format: 'postfix', path: '/srv/a', map_type: 'hash' }]
    expect((await planOf({ types, maps })).steps[1]).toMatchObject({ after: expect.stringContaining('hash:/srv/a }') })
    const plan = await planOf({ types: types.replace('lmdb\n', '') }, by)
    expect(plan.steps[0]).toMatchObject({ lines: expect.stringContaining('map_type: cdb') })
  })

  it.each<[string, Parameters<typeof planOf>[0], RegExp]>([
    ['without pipelines', { types: 'lmdb\nregexp\n' }, /has no pipemap/],
    ['before 3.7', { types, version: '3.5.25' }, /3\.5\.25 takes no patterns in main\.cf/],
    ['where a login opens a network', { types, ipv6Prefix: 64 }, /ipv6_prefix is 64/],
    ['with a path that needs quotes', { types, maps: [{ format: 'postfix', path: '/a b' }] }, /\/a b cannot stand/],
    [
      'where another question stands',
      { types, relay: 'check_client_access lmdb:/x, reject_unauth_destination' },
      /holds "check_client_access"/,
    ],
  ])('is not carried out %s', async (_, answers, why) => expect(told(await planOf(answers, by))).toMatch(why))
})

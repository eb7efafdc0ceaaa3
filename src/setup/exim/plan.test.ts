import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Accounts } from '../../doctor/accounts.ts'
import { fakeTools } from '../fake-tools.ts'
import { isDone, type Plan, type SetupContext } from '../plan.ts'
import { exim } from './plan.ts'

const accounts = new Accounts(
  'popauthd:x:900:900::/:/bin/false\nmail:x:8:8::/:/bin/false\n',
  'popauthd:x:900:\nmail:x:8:\n',
)
const CONFIG = `domainlist local_domains = @
domainlist relay_to_domains =
begin acl
acl_check_rcpt:
  accept hosts = +relay_from_hosts
  require message = relay not permitted
          domains = +local_domains : +relay_to_domains
  accept
`

/** The plan for an Exim whose configuration is one file. */
function planOf(
  given: {
    config?: string
    lookups?: string
    maps?: readonly Record<string, unknown>[]
    ipv6Prefix?: number
    strict?: string
  } = {},
  changes: Partial<SetupContext> = { by: 'map' },
): Promise<Plan> {
  const {
    config = CONFIG,
    lookups = 'lsearch iplsearch cdb',
    maps = [],
    ipv6Prefix = 128,
    strict = 'no_strict_acl_vars',
  } = given
  const tools = fakeTools(
    {
      'exim -bV': `Exim version 4.96\nLookups (built-in): ${lookups}\nConfiguration file is /etc/exim/configure\n`,
      'exim -bP acl_smtp_rcpt': 'acl_smtp_rcpt = acl_check_rcpt\n',
      'exim -bP exim_user': 'exim_user = mail\n',
      'exim -bP exim_group': 'exim_group = mail\n',
      'exim -bP strict_acl_vars': `${strict}\n`,
      'exim -bP config': config,
    },
    { '/etc/exim/configure': config, ...(maps.length === 0 ? {} : { '/x.yaml': 'maps: as given\n' }) },
  )
  const overrides = { maps, admission: { ipv6_prefix: ipv6Prefix } }
  const loaded = loadConfig({ env: {}, privileged: true, home: '/', groupFile: '/dev/null', overrides })
  const context = { tools, accounts, loaded, configFile: '/x.yaml', daemonUser: 'popauthd', withDoctor: false }
  return exim.plan({ ...context, by: undefined, ...changes })
}

const told = ({ troubles }: Plan) => troubles.map(({ text }) => text).join('\n')

describe('the recipe for Exim by map', () => {
  it('is the cdb, compared with the clock, and done once it is there', async () => {
    const plan = await planOf()
    expect(told(plan)).toBe('')
    expect(plan.steps).toMatchObject([
      {
        path: '/x.yaml',
        after: expect.stringContaining('format: exim_cdb\n    path: /var/lib/popauthd/exim/hosts.cdb'),
      },
      {
        path: '/etc/exim/configure',
        after: expect.stringMatching(/net-cdb;\S+hosts\.cdb\}\}\n.*\$tod_epoch\}\}\n\n {2}require/),
      },
    ])
    const { after = '' } = plan.steps[1] as { after?: string }
    const maps = [{ format: 'exim_cdb', path: '/var/lib/popauthd/exim/hosts.cdb' }]
    const again = await planOf({ config: after, maps }, {})
    expect(again.by).toBe('map')
    expect(again.steps.map(isDone)).toEqual([true, true])
  })

  it('is what this Exim can read, or the configuration has', async () => {
    expect((await planOf({ lookups: 'lsearch iplsearch' })).steps[1]).toMatchObject({
      lines: expect.stringContaining('net-iplsearch;/var/lib/popauthd/exim/ips}'),
    })
    const { steps } = await planOf({ lookups: 'lsearch' })
    expect(steps[1]).toMatchObject({ lines: expect.not.stringContaining('tod_epoch') })
    const maps = [{ format: 'exim_list', path: '/srv/hosts' }]
    expect((await planOf({ maps })).steps[1]).toMatchObject({
      lines: expect.stringContaining('{/srv/hosts}{/srv/hosts}'),
    })
  })

  it('looks for networks where a login opens one', async () => {
    expect((await planOf({ ipv6Prefix: 64 })).steps[1]).toMatchObject({
      lines: expect.stringMatching(/\{net-cdb;(\S+) : net64-cdb;\1\}/),
    })
  })

  it('is not carried out without the lookup, or with a path that is a list', async () => {
    const maps = [{ format: 'exim_cdb', path: '/srv/hosts:x' }]
    const plan = await planOf({ maps, lookups: 'lsearch' })
    expect(told(plan)).toMatch(/hosts:x cannot stand/)
    expect(told(plan)).toMatch(/has no lookup cdb/)
  })

  it('stays the socket where nothing else is asked for', async () => {
    expect((await planOf({}, {})).by).toBe('readsocket')
  })
})

describe('the recipe for an Exim with strict_acl_vars', () => {
  const strict = 'strict_acl_vars'
  const prepared = CONFIG.replace(
    'begin acl\n',
    'begin acl\nacl_connect:\n  warn    set acl_c_popauthd = NEW\n  accept\n',
  )
  const hands = ({ steps }: Plan) => steps.filter(({ kind }) => kind === 'hand')

  it('has a line to be put in by hand, and knows it, before and behind the others', async () => {
    expect(hands(await planOf({}, {}))).toEqual([])
    expect(hands(await planOf({ strict }, {}))).toMatchObject([
      { done: false, lines: '  warn    set acl_c_popauthd = NEW\n' },
    ])
    const plan = await planOf({ strict, config: prepared }, {})
    expect(told(plan)).toBe('')
    expect(hands(plan)).toMatchObject([{ done: true }])
    const commented = prepared.replace('  warn ', '# warn ')
    expect(hands(await planOf({ strict, config: commented }, {}))).toMatchObject([{ done: false }])
  })

  it('by map has none', async () => expect(hands(await planOf({ strict }))).toEqual([]))
})

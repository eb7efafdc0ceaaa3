// An MTA behind nftables, with the ruleset that docs/nftables.md gives: the scenes that all attachments play, and rulesets that others change.
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Lab } from '../../support/lab.ts'
import type { AttachedFile } from '../../support/mta-attachment.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from '../../support/netns.ts'
import { type Nft, nftIn } from '../../support/nft.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { qpopperLine } from '../../support/popauthd.ts'
import { startPostfix } from '../../support/postfix.ts'
import { mustRun } from '../../support/run.ts'
import { askRelay, NoSmtpSession, openSmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('nftables.md')
const RULESET = `flush ruleset\n${page('ruleset')}${page('always')}${page('lock')}`
const RELAY_ADDRESS = '10.254.25.1'
/** popauthd asks each 5 s; the rest is the test's own. */
const NOTICED = { timeoutMs: 15_000 }
/** A failed try is repeated after 30 s at the latest. */
const TRIED_AGAIN = { timeoutMs: 45_000 }

let nft: Nft

async function start(lab: Lab): Promise<AttachedFile> {
  for (const line of page('address').trim().split('\n'))
    await mustRun('ip', ['netns', 'exec', lab.server.namespace, 'sh', '-c', line])
  nft = await nftIn(lab.server.namespace)
  await nft.load(RULESET)
  const { maps } = parse(page('popauthd')) as { maps: object[] }
  const postfix = await startPostfix(lab, {
    mainCf: 'smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination',
    // The ordinary listener leaves the two addresses alone.
    script: `sed -i -E 's/^smtp +inet(.*)$/${SERVER_ADDRESS}:smtp inet\\1\\n[${SERVER_ADDRESS6}]:smtp inet\\1/' /etc/postfix/master.cf\n`,
    masterCf: `${page('postfix')}submission inet n - y - - smtpd\n`,
  })
  return {
    config: {
      maps: maps.map((map) => ({ ...map, command: ['/usr/bin/env', ...nft.command] })),
      admission: { always: ['203.0.113.64/26'] },
    },
    restart: () => postfix.restart(),
    files: [],
    remove: () => nft.load(RULESET),
  }
}

describeAttachment(
  {
    kind: 'file',
    mta: 'any MTA',
    form: 'nftables',
    page: 'nftables.md',
    start,
    refused: '554',
    expected: {
      login: '250 / 554',
      expired: '554 / 250',
      revoked: '554 / 250',
      overdue: '554',
      missing: '554, local 250',
      mended: '250',
    },
  },
  (stage) => {
    it('lets nobody meet the listener that relays by its own address', async () => {
      const from = '198.51.100.20'
      await stage.grant(from)
      await stage.until('250', from)
      const direct = { server: RELAY_ADDRESS }
      await expect(openSmtpSession(stage.stranger, { ...direct, from: '203.0.113.9' })).rejects.toThrow(NoSmtpSession)
      await expect(openSmtpSession(stage.client, { ...direct, from })).rejects.toThrow(NoSmtpSession)
    })

    it('opens a port to those who have logged in only', async () => {
      const target = { port: 587, from: '198.51.100.21' }
      await expect(openSmtpSession(stage.client, target)).rejects.toThrow(NoSmtpSession)
      await stage.grant(target.from)
      await stage.until('250', target.from)
      await using session = await openSmtpSession(stage.client, target)
      expect(session.banner.code).toBe(220)
      await expect(openSmtpSession(stage.stranger, { port: 587 })).rejects.toThrow(NoSmtpSession)
    })

    it('permits networks that need no login', async () => {
      const host = await stage.lab.addClient('203.0.113.70', '203.0.113.130')
      expect((await askRelay(host, { from: '203.0.113.70' })).code).toBe(250)
      expect((await askRelay(host, { from: '203.0.113.130' })).code).toBe(554)
    })

    it('comes back where the ruleset is loaded anew', async () => {
      const from = '198.51.100.22'
      await stage.grant(from)
      await stage.until('250', from)
      await nft.load(RULESET)
      expect(await nft.elements('inet popauthd popauthd4')).not.toContain(from)
      await stage.until('250', from, NOTICED)
      expect(await stage.askStranger()).toBe('554')
    })

    it('opens nothing where there is no ruleset, says what is lacking, and comes back with it', async () => {
      const from = '198.51.100.23'
      await stage.grant(from)
      await stage.until('250', from)
      await nft.load('flush ruleset\n')
      expect(await stage.ask(from)).toBe('554')
      const problem = await waitFor(
        'what is lacking',
        () => stage.popauthd.events.find(({ problem }) => String(problem).includes('there is no such set'))?.problem,
        NOTICED,
      )
      expect(problem).toContain('add set inet popauthd popauthd4 { type ipv4_addr; flags timeout; }')
      expect(await stage.ask(from)).toBe('554')
      await nft.load(RULESET)
      await stage.until('250', from, TRIED_AGAIN)
    })

    it('opens an IPv6 network with a rule that looks for its first address', async () => {
      await stage.popauthd.restartWith({ admission: { ipv6_prefix: 64 } })
      await nft.load(RULESET.replace(/^ *ip6 saddr @popauthd6 tcp dport 25 .*\n/m, page('prefix')))
      await stage.log.write(qpopperLine('carol', '2001:db8:2::7', 0))
      const neighbor = () => stage.askStranger('2001:db8:2::9')
      await waitFor('the network to be open', async () => (await neighbor()) === '250' || undefined, NOTICED)
      expect(await nft.elements('inet popauthd popauthd6')).toEqual(['2001:db8:2::'])
    })

    it('is empty after a stop with when_stopped: close', async () => {
      const from = '198.51.100.24'
      await stage.popauthd.restartWith({ when_stopped: 'close' })
      await stage.grant(from)
      await stage.until('250', from)
      expect(await stage.popauthd.stop()).toBe(0)
      expect(await stage.ask(from)).toBe('554')
      for (const set of ['popauthd4', 'popauthd6', 'popauthd4_always'])
        expect(await nft.elements(`inet popauthd ${set}`)).toEqual([])
      await stage.popauthd.start()
    })
  },
)

// Exim reads a file that popauthd keeps, with the settings that docs/exim.md gives: the scenes that all attachments play.
import { chmod } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { startExim } from '../../support/exim.ts'
import type { Lab } from '../../support/lab.ts'
import { type AttachedFile, type FileAttachment, FOREIGN, LOCAL } from '../../support/mta-attachment.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import { CLIENT6, type Stage } from '../../support/mta-stage.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { qpopperLine } from '../../support/popauthd.ts'
import { openTransaction } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('exim.md')

const start =
  (name: string, acl = `${name} acl`, admission = {}) =>
  async (lab: Lab): Promise<AttachedFile> => {
    const { maps } = parse(page(`${name} popauthd`)) as { maps: { format: string; path: string }[] }
    const [map] = maps as [{ format: string; path: string }]
    const path = map.path.replace('/var/lib/popauthd/exim', `${lab.shared}/mail`)
    const { restart } = await startExim(lab, page(acl, { [map.path]: path }))
    return { config: { maps: [{ ...map, path }], admission }, restart, files: [path] }
  }

const EXIM = { kind: 'file', mta: 'Exim', page: 'exim.md', refused: '550' } as const
const MISSING = { missing: '550, local 250', mended: '250' }
// A session keeps what it has read, but looks at the clock itself.
const SELF_EXPIRING: FileAttachment['expected'] = {
  login: '250 / 550',
  revoked: '550 / 250',
  overdue: '550',
  ...MISSING,
}

describeAttachment({ ...EXIM, form: 'host list', start: start('list'), expected: MISSING }, unreadable)

describeAttachment({ ...EXIM, form: 'iplsearch', start: start('iplsearch'), expected: SELF_EXPIRING }, (stage) => {
  closesByItself(stage)
  unreadable(stage)
})

describeAttachment({ ...EXIM, form: 'cdb', start: start('cdb'), expected: SELF_EXPIRING }, (stage) => {
  closesByItself(stage)
  unreadable(stage)
  opensNetworks(stage)
})

/** Networks in a cdb: the /64 of an IPv6 login, and what always may relay. Both hold the stranger. */
function opensNetworks(stage: Stage): void {
  it('opens the network of an IPv6 login, and networks that always may relay', async () => {
    const { popauthd, map, lab, attachment } = stage
    const [path] = map.files as [string]
    const replaced = { '/var/lib/popauthd/exim/hosts.cdb': path }
    const { write, exec } = await lab.root('exim')
    const configuration = await exec(['cat', '/etc/exim4/exim4.conf'])
    const acl = page('cdb acl', replaced)
    expect(configuration).toContain(acl)
    await write(
      '/etc/exim4/exim4.conf',
      configuration.replace(acl, page('cdb64 acl', replaced).replaceAll('$', '$$$$')),
    )
    await map.restart()
    await popauthd.restartWith({ admission: { ipv6_prefix: 64 } })
    await stage.log.write(qpopperLine('carol', CLIENT6))
    await stage.until('250', CLIENT6)
    expect(await stage.askStranger('2001:db8:2::9')).toBe('250')
    expect(await stage.askStranger()).toBe(attachment.refused)
    await popauthd.restartWith({ admission: { ipv6_prefix: 64, always: ['203.0.113.8/30'] } })
    await waitFor('the network', async () => (await stage.askStranger()) === '250' || undefined)
  })
}

/** What files with ends have of their own. */
function closesByItself(stage: Stage): void {
  it('closes by itself when popauthd is gone, in an open session too', async () => {
    const [over, later] = ['198.51.100.20', '198.51.100.21']
    await stage.grant(later)
    const endMs = await stage.grant(over, 6)
    await using session = await stage.permittedSession(over)
    await stage.popauthd.kill()
    let permittedAtMs = 0
    await waitFor('the end of its right', async () => {
      const askedAtMs = Date.now()
      const isRefused = (await session.ask()) === '550'
      if (!isRefused) permittedAtMs = askedAtMs
      return isRefused || undefined
    })
    expect(permittedAtMs).toBeLessThan(endMs)
    // Exim compares whole seconds: it may refuse a second early.
    expect(Date.now()).toBeGreaterThan(endMs - 1000)
    expect(await stage.ask(over)).toBe('550')
    expect(await stage.ask(later)).toBe('250')
    await stage.popauthd.start()
  })

  it('knows the later end of who logs in again, before the one it knew is over', async () => {
    const from = '198.51.100.24'
    const endMs = await stage.grant(from, 7)
    await stage.until('250', from)
    await stage.log.write(qpopperLine('user24', from))
    await waitFor('the time after the first end', async () => {
      expect(await stage.ask(from)).toBe('250')
      return Date.now() > endMs + 1500 || undefined
    })
  })

  it('keeps what it has read in an open session, until a message has gone through', async () => {
    const from = '198.51.100.23'
    await stage.grant(from)
    await stage.until('250', from)
    await using session = await openTransaction(stage.client, { from })
    const ask = async () => (await session.rcpt(FOREIGN)).code
    expect(await ask()).toBe(250)
    await stage.popauthd.ask('revoke', from)
    await stage.until('550', from)
    expect(await ask()).toBe(250)
    await session.nextTransaction()
    expect(await ask()).toBe(250)
    expect((await session.send()).code).toBe(250)
    await session.nextTransaction()
    expect(await ask()).toBe(550)
  })
}

/** The file is there, but Exim may not read it. */
function unreadable(stage: Stage): void {
  it('opens nothing where Exim may not read the file', async () => {
    const from = '198.51.100.22'
    await stage.grant(from)
    await stage.until('250', from)
    const [path] = stage.map.files as [string]
    await stage.popauthd.stop()
    await chmod(path, 0o600)
    expect(await stage.ask(from)).toBe('421')
    expect(await stage.ask(from, LOCAL)).toBe('250')
    await chmod(path, 0o644)
    await stage.popauthd.start()
    await stage.until('250', from)
  })
}

// OpenSMTPD reads a file table that popauthd keeps, with the settings that docs/opensmtpd.md gives: the scenes that all attachments play, and its own.
import { existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { LOCAL } from '../../support/mta-attachment.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import type { Stage } from '../../support/mta-stage.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { askRelay, openTransaction } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'
import { FileHost } from './file-host.ts'

const REFUSED = '550'
const page = blocksOf('opensmtpd.md')
const UPDATE = ['/usr/sbin/smtpctl', 'update', 'table', 'popauth']
const AS_POPAUTHD = ['setpriv', '--reuid', 'popauthd', '--regid', 'popauthd', '--clear-groups']
const ALWAYS = ['203.0.113.64/26', '2001:db8:3::/64']
const IN_ALWAYS = ['203.0.113.70', '2001:db8:3::70']

const VERSIONS = [
  ['6.8', 'file table, 6.8'],
  ['7.6', 'file table, 7.6'],
] as const

for (const [version, form] of VERSIONS) {
  const host = new FileHost(version)
  describeAttachment(
    {
      kind: 'file',
      mta: 'OpenSMTPD',
      form,
      page: 'opensmtpd.md',
      start: (lab) => host.prepare(lab, { admission: { always: ALWAYS } }),
      refused: REFUSED,
      expected: { missing: 'does not start', mended: 'restart' },
    },
    (stage) => {
      afterAll(() => host[Symbol.asyncDispose]())
      ownScenes(stage, host)
      updateScenes(host, version)
      fileScenes(stage, host)
    },
  )
}

function ownScenes(stage: Stage, host: FileHost): void {
  it('has met no failure of the update so far', () => {
    expect(host.failures).toEqual([])
  })

  it('takes the whole message of a host that may relay, in a session that was open before its login', async () => {
    const from = '198.51.100.20'
    await using session = await stage.session(from)
    expect(await session.ask()).toBe(REFUSED)
    await stage.grant(from)
    await stage.until('250', from)
    expect(await session.ask()).toBe('250')
    expect(await session.send()).toBe('250')
  })

  it('permits the networks that always may relay, and no others', async () => {
    const always = await stage.lab.addClient(...IN_ALWAYS)
    for (const from of IN_ALWAYS) expect((await askRelay(always, { from })).code).toBe(250)
    expect(await stage.askStranger()).toBe(REFUSED)
  })
}

function updateScenes(host: FileHost, version: string): void {
  it('takes the update from root only', async () => {
    await host.root.exec(['useradd', '--system', '--user-group', 'popauthd'])
    expect((await host.beside(UPDATE, AS_POPAUTHD)).code).not.toBe(0)
    expect(await host.beside(UPDATE)).toMatchObject({ code: 0 })
  })

  // The root of 7.6 has no sudo.
  if (version === '6.8') {
    it('takes it by sudo, as the page has it, and nothing else', async () => {
      await host.root.write('/etc/sudoers.d/popauthd', page('sudoers'), 0o440)
      expect(await host.beside(['sudo', '-n', ...UPDATE], AS_POPAUTHD)).toMatchObject({ code: 0 })
      expect((await host.beside(['sudo', '-n', '/usr/sbin/smtpctl', 'stop'], AS_POPAUTHD)).code).not.toBe(0)
    })
  }
}

function fileScenes(stage: Stage, host: FileHost): void {
  const from = '198.51.100.21'

  it('goes on without the file, from memory, whatever updates there are', async () => {
    await stage.grant(from)
    await stage.until('250', from)
    expect(await stage.popauthd.stop()).toBe(0)
    await rename(host.path, `${host.path}.away`)
    expect((await host.beside(UPDATE)).code).not.toBe(0)
    expect(await stage.ask(from)).toBe('250')
    expect(await stage.askStranger()).toBe(REFUSED)
    expect((await host.root.tryExec(['smtpd', '-n'])).code).not.toBe(0)
    await stage.popauthd.start()
    await waitFor('the file', () => existsSync(host.path) || undefined)
    expect(await stage.ask(from)).toBe('250')
  })

  it('gets the file back at once where popauthd runs', async () => {
    await rm(host.path)
    await waitFor('the file', () => existsSync(host.path) || undefined)
    expect(await stage.ask(from)).toBe('250')
    expect(await stage.askStranger()).toBe(REFUSED)
  })

  it('starts with a file in which nobody stands', async () => {
    await stage.popauthd.restartWith({ when_stopped: 'close', admission: { always: [] } })
    expect(await stage.popauthd.stop()).toBe(0)
    expect(readFileSync(host.path, 'utf8')).not.toMatch(/^[^#]/m)
    await host.restart()
    expect(await stage.ask(from)).toBe(REFUSED)
    await using session = await openTransaction(stage.client, { from })
    expect((await session.rcpt(LOCAL)).code).toBe(250)
    expect((await session.send()).code).toBe(250)
  })
}

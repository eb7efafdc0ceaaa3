// The scenes of an MTA that reads a map: it follows the table while popauthd runs, and keeps who is in time when it does not.
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type FileAttachment, LOCAL, newAndOpen, removeMap } from './mta-attachment.ts'
import { CLIENT, CLIENT6, NEIGHBOR, type Stage } from './mta-stage.ts'
import { waitFor } from './wait-for.ts'

/** The map follows within 2 s of the end; the rest is the test's own. */
const FOLLOWS_WITHIN_SECONDS = 4

/** Defines the scenes as tests. */
export function fileScenes(stage: Stage, attachment: FileAttachment): void {
  const { refused, followsWithinSeconds = FOLLOWS_WITHIN_SECONDS } = attachment

  it('refuses before a login, permits after a POP3 login of that host, and of no other', async () => {
    stage.see('before', await stage.ask(CLIENT))
    await stage.seeLocal(CLIENT)
    await using session = await stage.session(CLIENT)
    expect(await session.ask()).toBe(refused)
    await stage.login(CLIENT, 'pop3', 'alice')
    await stage.until('250', CLIENT)
    stage.see('login', newAndOpen('250', await session.ask()))
    expect(await stage.askStranger()).toBe(refused)
    expect(await stage.ask(NEIGHBOR)).toBe(refused)
  })

  it('permits an IPv6 host after its IMAP login, and its neighbors not', async () => {
    const expected = stage.expected('ipv6')
    if (expected === '250') expect(await stage.ask(CLIENT6)).toBe(refused)
    await stage.login(CLIENT6, 'imap', 'bob')
    // Where IPv6 is no use, the map is known to have followed when a later login counts.
    if (expected !== '250') await stage.grant('198.51.100.15')
    await stage.until('250', expected === '250' ? CLIENT6 : '198.51.100.15')
    stage.see('ipv6', await stage.ask(CLIENT6))
    expect(await stage.askStranger('2001:db8:2::9')).toBe(expected === '250' ? refused : expected)
  })

  it('refuses soon after the expiry', async () => {
    const from = '198.51.100.9'
    const endMs = await stage.grant(from, 5)
    await using session = await stage.permittedSession(from)
    const refusedAtMs = await stage.until(refused, from)
    // An MTA that compares times itself does so in whole seconds.
    expect(refusedAtMs).toBeGreaterThanOrEqual(endMs - 1000)
    expect(refusedAtMs).toBeLessThanOrEqual(endMs + followsWithinSeconds * 1000)
    stage.see('expired', newAndOpen(refused, await session.ask()))
  })

  it('closes on revoke', async () => {
    const from = '198.51.100.10'
    await stage.grant(from, 58)
    await using session = await stage.permittedSession(from)
    await stage.popauthd.ask('revoke', from)
    await stage.until(refused, from)
    stage.see('revoked', newAndOpen(refused, await session.ask()))
  })

  it('keeps who is in time while popauthd hangs', async () => {
    const from = '198.51.100.11'
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    stage.popauthd.signal('SIGSTOP')
    try {
      stage.see('hung', newAndOpen(await stage.ask(from), await session.ask()))
      expect(await stage.askStranger()).toBe(refused)
      await stage.seeLocal(from)
    } finally {
      stage.popauthd.signal('SIGCONT')
    }
  })

  it('keeps who is in time when popauthd was killed; prune closes what is over; a restart goes on', async () => {
    const [from, over] = ['198.51.100.12', '198.51.100.13']
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    const endMs = await stage.grant(over, 5)
    await stage.until('250', over)
    await stage.popauthd.kill()
    stage.see('killed', newAndOpen(await stage.ask(from), await session.ask()))
    expect(await stage.askStranger()).toBe(refused)
    await stage.seeLocal(from)
    await waitFor('the end of its time', () => Date.now() >= endMs || undefined)
    await stage.until(stage.expected('overdue'), over)
    stage.see('overdue', await stage.ask(over))
    await prune(stage)
    await stage.until(refused, over)
    stage.see('pruned', refused)
    expect(await stage.ask(from)).toBe('250')
    await stage.popauthd.start()
    await stage.until('250', from)
    stage.see('restarted', newAndOpen('250', await session.ask()))
    expect(await stage.ask(over)).toBe(refused)
  })

  it('keeps who is in time when popauthd was stopped; without a map opens nothing; popauthd makes it anew', async () => {
    const { popauthd, map } = stage
    const from = '198.51.100.14'
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    expect(await popauthd.stop()).toBe(0)
    stage.see('stopped', newAndOpen(await stage.ask(from), await session.ask()))
    expect(await stage.askStranger()).toBe(refused)
    await stage.seeLocal(from)
    await removeMap(map)
    stage.see('missing', await answersWithoutMap(stage, from))
    await popauthd.start()
    await waitFor('the map', () => map.files.every((path) => existsSync(path)) || undefined)
    stage.see('mended', await answersWithMapAgain(stage, from))
    expect(await stage.askStranger()).toBe(refused)
  })
}

async function answersWithoutMap(stage: Stage, from: string): Promise<string> {
  try {
    await stage.map.restart()
  } catch {
    return 'does not start'
  }
  return `${await stage.ask(from)}, local ${await stage.ask(from, LOCAL)}`
}

/** `restart` where the MTA has to be started again, too. */
async function answersWithMapAgain(stage: Stage, from: string): Promise<string> {
  const restart = stage.expected('mended') === 'restart'
  if (restart) {
    expect(await stage.ask(from)).not.toBe('250')
    await stage.map.restart()
  }
  await stage.until('250', from)
  return restart ? 'restart' : '250'
}

/** Without the daemon. */
async function prune(stage: Stage): Promise<void> {
  const { daemon } = await stage.popauthd.ask<{ daemon: boolean }>('prune')
  expect(daemon).toBe(false)
}

// The scenes of an MTA that asks popauthd: each answer counts at once, in open sessions too.
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type Answer, LOCAL, newAndOpen } from './mta-attachment.ts'
import { CLIENT, CLIENT6, NEIGHBOR, type Stage } from './mta-stage.ts'
import { waitFor } from './wait-for.ts'

const PATIENCE_MS = 5000

/** Defines the scenes as tests. */
export function liveScenes(stage: Stage): void {
  const { refused } = stage.attachment

  it('refuses before a login, permits after a POP3 login of that host, and of no other', async () => {
    stage.see('before', await stage.ask(CLIENT))
    await stage.seeLocal(CLIENT)
    await using session = await stage.session(CLIENT)
    expect(await session.ask()).toBe(refused)
    await stage.login(CLIENT, 'pop3', 'alice')
    stage.see('login', newAndOpen(await stage.ask(CLIENT), await session.ask()))
    expect(await stage.askStranger()).toBe(refused)
    expect(await stage.ask(NEIGHBOR)).toBe(refused)
    const { asked } = await stage.popauthd.ask<{ asked?: { times: number; last: string } }>('why', CLIENT)
    expect(asked?.times).toBeGreaterThanOrEqual(2)
    expect(Date.now() - Date.parse(asked?.last ?? '')).toBeLessThan(60_000)
  })

  it('permits an IPv6 host after its IMAP login, and its neighbors not', async () => {
    expect(await stage.ask(CLIENT6)).toBe(refused)
    await stage.login(CLIENT6, 'imap', 'bob')
    stage.see('ipv6', await stage.ask(CLIENT6))
    expect(await stage.askStranger('2001:db8:2::9')).toBe(refused)
  })

  it('refuses from the instant of expiry, in an open session too', async () => {
    const from = '198.51.100.9'
    await using session = await stage.session(from)
    const endMs = await stage.grant(from, 4)
    const permitted: number[] = []
    const open = await waitFor('the end of what is permitted', async () => {
      const askedAtMs = Date.now()
      const answer = await session.ask()
      if (answer !== '250') return answer
      permitted.push(askedAtMs)
      return undefined
    })
    expect(Date.now()).toBeGreaterThanOrEqual(endMs)
    expect(permitted.length).toBeGreaterThan(0)
    expect(Math.max(...permitted)).toBeLessThan(endMs)
    stage.see('expired', newAndOpen(await stage.ask(from), open))
    await stage.popauthd.event('authorization ended', { ip: from, reason: 'expired' })
  })

  it('closes on revoke, in an open session too', async () => {
    const from = '198.51.100.10'
    await stage.grant(from, 58)
    await using session = await stage.permittedSession(from)
    await stage.popauthd.ask('revoke', from)
    stage.see('revoked', newAndOpen(await stage.ask(from), await session.ask()))
  })

  it('hangs no longer than it must while popauthd hangs; local mail goes on', async () => {
    const from = '198.51.100.11'
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    stage.popauthd.signal('SIGSTOP')
    try {
      stage.see('local', await session.ask(LOCAL))
      await stage.seeLocal(from)
      const answer = session.ask()
      stage.see('hung', stage.expected('hung') === 'waits' ? await withPatience(answer) : await answer)
      stage.popauthd.signal('SIGCONT')
      if (stage.expected('hung') === 'waits') expect(await answer).toBe('250')
    } finally {
      stage.popauthd.signal('SIGCONT')
    }
  })

  it('relays nothing while popauthd is dead; local mail goes on; a restart is all it takes', async () => {
    const from = '198.51.100.12'
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    await stage.popauthd.kill()
    const open = await session.ask()
    // Again, now that the MTA knows: some give up for the rest of the session.
    expect(await session.ask()).not.toBe('250')
    stage.see('local', await session.ask(LOCAL))
    expect(await session.send()).toBe('250')
    await stage.seeLocal(from)
    const fresh = await stage.ask(from)
    stage.see('killed', newAndOpen(fresh, open))
    expect(await stage.askStranger()).toBe(fresh)
    await stage.popauthd.start()
    stage.see('restarted', newAndOpen(await stage.ask(from), await session.ask()))
    expect(await stage.askStranger()).toBe(refused)
  })

  it('relays nothing once popauthd was stopped; local mail goes on; a restart is all it takes', async () => {
    const from = '198.51.100.13'
    await stage.grant(from)
    await using session = await stage.permittedSession(from)
    expect(await stage.popauthd.stop()).toBe(0)
    const open = await session.ask()
    stage.see('local', await session.ask(LOCAL))
    await stage.seeLocal(from)
    stage.see('stopped', newAndOpen(await stage.ask(from), open))
    await stage.popauthd.start()
    expect(await stage.ask(from)).toBe('250')
    expect(await stage.askStranger()).toBe(refused)
  })
}

/** The answer, or `waits` where it takes longer than a test should. */
async function withPatience(answer: Promise<Answer>): Promise<Answer> {
  const over = new AbortController()
  const late = delay(PATIENCE_MS, 'waits', { signal: over.signal }).catch(() => 'waits')
  try {
    return await Promise.race([answer, late])
  } finally {
    over.abort()
  }
}

// Two more scenes of an MTA that asks popauthd at an entry of `lookups`.
import { chmod } from 'node:fs/promises'
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { FOREIGN, LOCAL, type LookupEntry } from './mta-attachment.ts'
import type { Stage } from './mta-stage.ts'
import { openTransaction } from './smtp-session.ts'

/** The last two scenes of an attachment: a message that goes through to its end, and what takes popauthd's place. */
export function refusesWhereItHangsUp(stage: Stage): void {
  it('takes the whole message of a host that may relay', async () => {
    await stage.grant('198.51.100.21')
    await using session = await openTransaction(stage.client, { from: '198.51.100.21' })
    expect((await session.rcpt(FOREIGN)).code).toBe(250)
    expect((await session.send()).code).toBe(250)
  })

  it('relays nothing where popauthd hangs up without an answer', async () => {
    const from = '198.51.100.22'
    await stage.grant(from)
    expect(await stage.ask(from)).toBe('250')
    await stage.popauthd.stop()
    const [entry] = (stage.attached.config as { lookups: LookupEntry[] }).lookups
    await using mute = await serverThatHangsUp(entry as LookupEntry)
    expect(await stage.ask(from)).toBe(stage.expected('stopped'))
    expect(await stage.ask(from, LOCAL)).toBe('250')
    expect(mute.connections).toBeGreaterThan(0)
    await mute[Symbol.asyncDispose]()
    await stage.popauthd.start()
    expect(await stage.ask(from)).toBe('250')
    expect(await stage.askStranger()).toBe(stage.attachment.refused)
  })
}

/** Takes popauthd's place and says nothing: as it is met in the moment of its stop, or where it has too many connections. */
async function serverThatHangsUp({ socket }: LookupEntry) {
  const seen = { connections: 0 }
  const server = createServer((connection) => {
    seen.connections++
    connection.on('error', () => {})
    connection.once('data', () => connection.destroy())
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  await chmod(socket, 0o666)
  return {
    get connections() {
      return seen.connections
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}

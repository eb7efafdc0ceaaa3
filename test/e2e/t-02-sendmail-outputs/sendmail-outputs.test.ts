// The two sendmail outputs alone (no daemon) against a real sendmail: what new and open SMTP sessions are told.
import { writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../../../src/core/authorization.ts'
import { type ClientAddress, parseClientAddress } from '../../../src/core/client-address.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { SendmailAccessPublisher } from '../../../src/publishers/sendmail-access/sendmail-access-publisher.ts'
import { ResponderServer } from '../../../src/responders/responder-server.ts'
import { socketmapProtocol } from '../../../src/responders/socketmap/protocol.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import type { LabHost } from '../../support/netns.ts'
import { type SendmailServer, startSendmail } from '../../support/sendmail.ts'
import { askRelay, openTransaction } from '../../support/smtp-session.ts'

const unavailable = labAvailability()
const address = (text: string) => parseClientAddress(text) as ClientAddress
const CLIENT = '198.51.100.7'
const CLIENT6 = '2001:db8:2::7'
const FOREIGN = 'x@elsewhere.example.com'

describe.skipIf(unavailable)(
  `sendmail and popauthd's outputs${unavailable ? ` (skipped: ${unavailable})` : ''}`,
  () => {
    let lab: Lab
    let sendmail: SendmailServer
    let client: LabHost
    let socket: string
    const known = new Set<string>()
    const all = (): Authorization[][] => [
      [...known].map((text) => ({ address: address(text), reason: 'login' as const, users: [] })),
    ]

    beforeAll(async () => {
      lab = await openLab()
      client = await lab.addClient(CLIENT, CLIENT6)
      socket = `${lab.shared}/run/popauthd/sendmail.sock`
      sendmail = await startSendmail(lab, { popauthd: socket })
    })
    afterAll(() => lab?.[Symbol.asyncDispose]())
    beforeEach(() => known.clear())

    describe('the map file', () => {
      let publisher: SendmailAccessPublisher
      const signal = new AbortController().signal

      beforeEach(async () => {
        publisher = new SendmailAccessPublisher({
          config: {
            enabled: true,
            path: sendmail.accessPath,
            mapType: 'hash',
            makemapCommand: [sendmail.makemapCommand, '{type}', '{map}'],
            editmapCommand: [sendmail.editmapCommand, '-x', '{type}', '{map}'],
            taggedKeys: true,
            gatherMilliseconds: 0,
            writeInfo: true,
          },
          always: [],
          ipv6Prefix: 128,
          stateDirectory: `${lab.shared}/state`,
          clock: systemClock,
          isKnown: () => false,
          notice: () => {},
        })
        await publisher.resync(all, signal)
      })
      afterEach(() => publisher[Symbol.asyncDispose]())

      function publish(kind: TableChange['kind'], text: string): Promise<void> {
        if (kind === 'ended') known.delete(text)
        else known.add(text)
        return publisher.publish([{ kind, address: address(text), atMs: Date.now(), reason: 'login' }], all, signal)
      }

      it('opens and closes for new sessions, on IPv4 and IPv6', async () => {
        for (const from of [CLIENT, CLIENT6]) {
          expect((await askRelay(client, { from })).code).toBe(550)
          await publish('granted', from)
          expect((await askRelay(client, { from })).code).toBe(250)
          await publish('ended', from)
          expect((await askRelay(client, { from })).code).toBe(550)
        }
      })

      it('opens and closes within an open session, in one transaction, many times within a second', async () => {
        const session = await openTransaction(client)
        const codes: number[] = []
        for (let round = 0; round < 10; round++) {
          await publish(round % 2 === 0 ? 'granted' : 'ended', CLIENT)
          codes.push((await session.rcpt(FOREIGN)).code)
        }
        expect(codes).toEqual([250, 550, 250, 550, 250, 550, 250, 550, 250, 550])
        await session[Symbol.asyncDispose]()
      })

      it('reaches an open session that missed many changes, and one begun between them', async () => {
        const first = await openTransaction(client)
        expect((await first.rcpt(FOREIGN)).code).toBe(550)
        await publish('granted', CLIENT)
        const second = await openTransaction(client)
        expect((await second.rcpt(FOREIGN)).code).toBe(250)
        for (let i = 1; i < 20; i++) await publish('granted', `192.0.2.${i}`)
        await publish('ended', CLIENT)
        expect((await first.rcpt(FOREIGN)).code).toBe(550)
        expect((await second.rcpt(FOREIGN)).code).toBe(550)
        await Promise.all([first, second].map((session) => session[Symbol.asyncDispose]()))
      })

      it('leaves a static REJECT standing', async () => {
        await publish('granted', CLIENT)
        await writeFile(`${sendmail.accessPath}.static`, '198.51.100 REJECT\n')
        await publish('granted', '192.0.2.1')
        expect((await askRelay(client)).code).toBe(550)
        expect(await sendmail.dumpAccess()).toEqual(['198.51.100\tREJECT', 'connect:192.0.2.1\tRELAY'])
      })
    })

    describe('the socket map, through the shipped feature', () => {
      let responder: ResponderServer
      const make = () =>
        new ResponderServer({
          protocol: socketmapProtocol('socketmap'),
          at: { path: socket, mode: 0o660, group: undefined },
          maxConnections: 10,
          clock: systemClock,
          lookup: (asked) => ({
            authorized: known.has(asked),
            reason: known.has(asked) ? 'login' : 'unknown',
            detail: '',
          }),
        })

      beforeEach(async () => {
        await sendmail.makeAccess('')
        responder = make()
        await responder.start()
      })
      afterEach(() => responder[Symbol.asyncDispose]())

      it('opens and closes, for new sessions and within an open one', async () => {
        const session = await openTransaction(client)
        expect((await session.rcpt(FOREIGN)).code).toBe(550)
        known.add(CLIENT).add(CLIENT6)
        expect((await session.rcpt(FOREIGN)).code).toBe(250)
        expect((await askRelay(client, { from: CLIENT6 })).code).toBe(250)
        known.clear()
        expect((await session.rcpt(FOREIGN)).code).toBe(550)
        expect((await askRelay(client, { from: CLIENT6 })).code).toBe(550)
        expect((await session.rcpt('alice')).code).toBe(250)
        await session[Symbol.asyncDispose]()
      })

      it('refuses relaying and nothing else while popauthd is away', async () => {
        known.add(CLIENT)
        await responder[Symbol.asyncDispose]()
        expect((await askRelay(client)).code).toBe(550)
        expect((await askRelay(client, {}, 'alice')).code).toBe(250)
        responder = make()
        await responder.start()
        expect((await askRelay(client)).code).toBe(250)
      })

      it('does not overrule a REJECT in the access map', async () => {
        known.add(CLIENT)
        await sendmail.makeAccess('198.51.100 REJECT\n')
        expect((await askRelay(client)).code).toBe(550)
      })
    })
  },
)

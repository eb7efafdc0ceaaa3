// Holds sendmail to what docs/sendmail-findings.md says and the publisher and responder for it rely on.
import { open, rename, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import type { LabHost } from '../../support/netns.ts'
import { mustRun } from '../../support/run.ts'
import { type SendmailServer, startSendmail } from '../../support/sendmail.ts'
import { askRelay, openTransaction, type SmtpSession } from '../../support/smtp-session.ts'

const unavailable = labAvailability()
const FOREIGN = 'x@elsewhere.example.com'
const OPEN = 'Connect:198.51.100.7\tRELAY\n'

describe.skipIf(unavailable)(`sendmail's maps${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let sendmail: SendmailServer
  let client: LabHost
  let socketServer: Server
  let answer = 'NOTFOUND '
  const questions: string[] = []

  beforeAll(async () => {
    lab = await openLab()
    client = await lab.addClient('198.51.100.7', '2001:db8:2::7')
    const socketMap = `${lab.shared}/run/popauthd.sock`
    socketServer = await answerLookups(socketMap, questions, () => answer)
    sendmail = await startSendmail(lab, { socketMap })
  })
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]()
    socketServer?.close()
  })

  it('does not show a renamed map to an open session', async () => {
    const session = await sessionSeeing('', 550)
    await replaceMap(OPEN, 'rename')
    expect((await session.rcpt(FOREIGN)).code).toBe(550)
    expect((await askRelay(client)).code).toBe(250)
    await session[Symbol.asyncDispose]()
  })

  it('shows a renamed map to an open session once the old file is newer by a second, within one transaction', async () => {
    const session = await sessionSeeing('', 550)
    for (const [text, code] of [
      [OPEN, 250],
      ['', 550],
      [OPEN, 250],
      ['', 550],
    ] as const) {
      await replaceMap(text, 'rename and touch')
      expect((await session.rcpt(FOREIGN)).code).toBe(code)
    }
    await session[Symbol.asyncDispose]()
  })

  it('asks the socket map once per recipient, by the address as sendmail spells it', async () => {
    await sendmail.makeAccess('')
    answer = 'OK RELAY'
    questions.length = 0
    expect((await askRelay(client)).code).toBe(250)
    expect((await askRelay(client, { from: '2001:db8:2::7' })).code).toBe(250)
    expect(questions).toEqual(['popauth connect:198.51.100.7', 'popauth connect:ipv6:2001:db8:2:0:0:0:0:7'])
    const session = await sessionSeeing('', 250)
    answer = 'NOTFOUND '
    expect((await session.rcpt(FOREIGN)).code).toBe(550)
    await session[Symbol.asyncDispose]()
  })

  async function sessionSeeing(map: string, code: number): Promise<SmtpSession> {
    await sendmail.makeAccess(map)
    const session = await openTransaction(client)
    expect((await session.rcpt(FOREIGN)).code).toBe(code)
    return session
  }

  async function replaceMap(text: string, how: 'rename' | 'rename and touch'): Promise<void> {
    const map = `${sendmail.accessPath}.db`
    await mustRun(sendmail.makemapCommand, ['hash', `${sendmail.accessPath}-new`], { input: text })
    const old = await open(map, 'r')
    const newer = Math.max(Math.floor(Date.now() / 1000), Math.floor((await stat(map)).mtimeMs / 1000) + 1)
    await rename(`${sendmail.accessPath}-new.db`, map)
    if (how === 'rename and touch') await old.utimes(newer, newer)
    await old.close()
  }
})

// A responder that knows one answer: netstrings in, netstrings out.
function answerLookups(path: string, questions: string[], answer: () => string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {}) // sendmail's children leave without a word
    socket.on('data', (chunk) => {
      questions.push(chunk.toString('latin1').replace(/^\d+:|,$/g, ''))
      socket.write(`${answer().length}:${answer()},`)
    })
  })
  return new Promise((resolve) => server.listen(path, () => resolve(server)))
}

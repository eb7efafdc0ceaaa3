// What the scenes of an attachment play on: the MTA, Dovecot, clients and popauthd, and the cells that were seen.
import { expect } from 'vitest'
import { startDovecot } from './dovecot.ts'
import { type Lab, openLab } from './lab.ts'
import { curlLogin } from './mail-clients.ts'
import {
  type Answer,
  type Attached,
  type AttachedFile,
  type Attachment,
  expectedCells,
  FOREIGN,
  LOCAL,
} from './mta-attachment.ts'
import type { LabHost } from './netns.ts'
import { Popauthd, qpopperLine, TestLog } from './popauthd.ts'
import { askRelay, NoSmtpSession, openTransaction, type SmtpSession } from './smtp-session.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'

/** How long a login counts. */
export const WINDOW_SECONDS = 60
/** The client's first addresses; scenes of an attachment's own use 198.51.100.20 to .29. */
export const CLIENT = '198.51.100.7'
export const CLIENT6 = '2001:db8:2::7'
/** Another address of the client: never opened. */
export const NEIGHBOR = '198.51.100.8'

/** An SMTP session that stays open. */
export interface OpenSession extends AsyncDisposable {
  ask(recipient?: string): Promise<Answer>
  /** Sends a message to the recipients that were permitted and begins the next transaction; the answer is that to the message. */
  send(): Promise<Answer>
}

/** Opened once for each attachment; popauthd runs between the scenes. */
export class Stage implements AsyncDisposable {
  readonly attachment: Attachment
  /** The cells seen so far, by column. */
  readonly seen = new Map<string, string>()
  lab!: Lab
  client!: LabHost
  stranger!: LabHost
  popauthd!: Popauthd
  attached!: Attached
  /** A log that the test writes itself, see {@link grant}. */
  log!: TestLog

  /** Columns that were seen otherwise than expected, be it once. */
  readonly #wrong = new Set<string>()

  constructor(attachment: Attachment) {
    this.attachment = attachment
  }

  /** Starts everything. Map files are made before the MTA that reads them runs. */
  async open(): Promise<void> {
    this.lab = await openLab()
    const { start } = this.attachment
    const [attached, dovecot] = await Promise.all([start(this.lab), startDovecot(this.lab, { log: 'file' })])
    this.attached = attached
    const more = Array.from({ length: 23 }, (_, index) => `198.51.100.${8 + index}`)
    this.client = await this.lab.addClient(CLIENT, CLIENT6, ...more)
    this.stranger = await this.lab.addClient('203.0.113.9', '2001:db8:2::9', '2001:db8:2::7:9')
    this.log = new TestLog(`${this.lab.shared}/log/popper.log`)
    await this.log.write()
    this.popauthd = new Popauthd({
      directory: `${this.lab.shared}/popauthd`,
      logs: [dovecot.ownLog as string, this.log.path],
      config: { window_seconds: WINDOW_SECONDS, ...attached.config },
    })
    await this.popauthd.start()
    if (this.attachment.kind === 'file') await this.map.restart()
  }

  /** The map of a file attachment. */
  get map(): AttachedFile {
    if (!('restart' in this.attached)) throw new Error(`${this.attachment.form} has no map`)
    return this.attached as AttachedFile
  }

  /** What a new session from one of the client's addresses is told, by default about a relay attempt. */
  ask(from: string, recipient = FOREIGN): Promise<Answer> {
    return this.#answer(this.client, recipient, from)
  }

  /** The same for another host, which never logs in. */
  askStranger(from?: string, recipient = FOREIGN): Promise<Answer> {
    return this.#answer(this.stranger, recipient, from)
  }

  /** Local mail from the client and from the stranger: a cell that is the same throughout. */
  async seeLocal(from: string): Promise<void> {
    this.see('local', await this.ask(from, LOCAL))
    this.see('local', await this.askStranger(undefined, LOCAL))
  }

  /** Opens a session from one of the client's addresses, for relay attempts. */
  async session(from: string): Promise<OpenSession> {
    let session: SmtpSession | undefined
    try {
      session = await openTransaction(this.client, { from, ...this.#target(FOREIGN) })
    } catch (error) {
      if (!(error instanceof NoSmtpSession)) throw error
    }
    const open = session
    if (open === undefined) {
      const refuse = async () => 'no connection'
      return { ask: refuse, send: refuse, [Symbol.asyncDispose]: async () => {} }
    }
    return {
      ask: async (recipient = FOREIGN) => word((await open.rcpt(recipient)).code),
      send: async () => {
        const { code } = await open.send()
        await open.mailFrom()
        return word(code)
      },
      [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
    }
  }

  /** A new session that is told 250 about a relay attempt, and then is open. */
  async permittedSession(from: string): Promise<OpenSession> {
    await this.until('250', from)
    const session = await this.session(from)
    expect(await session.ask()).toBe('250')
    return session
  }

  /** Asks with new sessions until one is told this; resolves with the time at which that was asked. */
  until(answer: Answer, from: string, options?: WaitOptions): Promise<number> {
    return waitFor(
      `${answer} for ${from}`,
      async () => {
        const askedAtMs = Date.now()
        return (await this.ask(from)) === answer ? askedAtMs : undefined
      },
      options,
    )
  }

  /** A real login at Dovecot, seen by popauthd. */
  async login(from: string, protocol: 'pop3' | 'imap', user: string): Promise<void> {
    const { code, stderr } = await curlLogin(this.lab, this.client, { from, protocol, user })
    expect(code, stderr).toBe(0)
    await this.popauthd.event('authorization granted', { ip: from, user })
  }

  /** A login in the log, of a user of its own, with that much of its time left; resolves with its end (Unix milliseconds) once popauthd has seen it. */
  async grant(ip: string, secondsLeft = WINDOW_SECONDS): Promise<number> {
    const user = `user${ip.replace(/.*\D/, '')}`
    await this.log.write(qpopperLine(user, ip, WINDOW_SECONDS - secondsLeft))
    const { until } = await this.popauthd.event('authorization granted', { ip, user })
    return Date.parse(String(until))
  }

  /** Holds the cell against what the attachment expects, and keeps it for the table. Where they differ, the test fails and goes on to its end. */
  see(column: string, cell: string): void {
    expect.soft(cell, column).toBe(this.expected(column))
    if (cell !== this.expected(column)) this.#wrong.add(column)
    if (this.#wrong.has(column)) this.seen.delete(column)
    else this.seen.set(column, cell)
  }

  /** What the attachment expects in a cell. */
  expected(column: string): string {
    return expectedCells(this.attachment)[column] as string
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.popauthd?.[Symbol.asyncDispose]()
    await this.lab?.[Symbol.asyncDispose]()
  }

  #target(recipient: string): { port?: number } {
    const { relayPort } = this.attachment
    return recipient === LOCAL || relayPort === undefined ? {} : { port: relayPort }
  }

  async #answer(host: LabHost, recipient: string, from?: string): Promise<Answer> {
    try {
      const target = { ...this.#target(recipient), ...(from === undefined ? {} : { from }) }
      return word((await askRelay(host, target, recipient)).code)
    } catch (error) {
      if (error instanceof NoSmtpSession) return 'no connection'
      throw error
    }
  }
}

function word(code: number): Answer {
  return code === 0 ? 'closed' : String(code)
}

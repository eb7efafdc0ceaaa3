// A small SMTP client that stays connected from a client host while the world changes around it.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { inHost, type LabHost, SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'

/** A server's answer: its code, and its text with all lines joined by a blank. Code 0: the connection is closed. */
export interface SmtpReply {
  readonly code: number
  readonly text: string
}

/** Where to connect to, and from which of the client's addresses. */
export interface SmtpTarget {
  /** By default the laboratory's server, in the family of `from`. */
  readonly server?: string
  readonly port?: number
  /** One of the client's addresses; by default its first one. */
  readonly from?: string
  /** Give a name for EHLO; by default client.example.org. */
  readonly helo?: string
}

/** An open session. Disposing closes the connection without a QUIT. */
export interface SmtpSession extends AsyncDisposable {
  readonly banner: SmtpReply
  /** Sends one line as it is and waits for the answer. */
  command(line: string): Promise<SmtpReply>
  mailFrom(sender?: string): Promise<SmtpReply>
  rcpt(recipient: string): Promise<SmtpReply>
  /** RSET, then a new MAIL FROM: the next transaction of the same session. */
  nextTransaction(): Promise<SmtpReply>
  /** DATA with a small message, to its final answer. */
  send(subject?: string): Promise<SmtpReply>
}

// Runs in the client's namespace and only passes bytes on; the dialogue is held on this side.
const RELAY = `const [host, port, localAddress] = process.argv.slice(1)
const socket = require('node:net').connect({ host, port: Number(port), localAddress })
const late = setTimeout(() => socket.destroy(new Error('no answer to the connection for 5 s')), 5000)
socket.on('connect', () => clearTimeout(late))
process.stdin.pipe(socket)
socket.pipe(process.stdout)
socket.on('error', (error) => { console.error(error.message); process.exit(1) })
socket.on('close', () => process.exit(0))`

/** No session came about: nobody answers, or the server closes the connection without a greeting. */
export class NoSmtpSession extends Error {
  override readonly name = 'NoSmtpSession'
}

/** Connects, reads the greeting and says EHLO. @throws {NoSmtpSession} */
export async function openSmtpSession(client: LabHost, target: SmtpTarget = {}): Promise<SmtpSession> {
  const from = target.from ?? client.addresses[0] ?? ''
  const server = target.server ?? (from.includes(':') ? SERVER_ADDRESS6 : SERVER_ADDRESS)
  const relay = [process.execPath, '-e', RELAY, server, String(target.port ?? 25), from]
  const child = spawn('ip', inHost(client, relay))
  const nextReply = replyReader(child)
  const banner = await nextReply()
  if (banner.code === 0) throw new NoSmtpSession(`no SMTP session from ${from} to ${server}: ${banner.text}`)
  const command = (line: string) => {
    child.stdin.write(`${line}\r\n`)
    return nextReply()
  }
  await command(`EHLO ${target.helo ?? 'client.example.org'}`)
  return session(child, banner, command)
}

/** Opens a session and says MAIL FROM, so that recipients can be named. @throws {NoSmtpSession} */
export async function openTransaction(client: LabHost, target: SmtpTarget = {}): Promise<SmtpSession> {
  const session = await openSmtpSession(client, target)
  await session.mailFrom()
  return session
}

/** Opens a session, asks whether `recipient` may be reached from there, and closes: 250 is permitted, 550 refused. */
export async function askRelay(
  client: LabHost,
  target: SmtpTarget = {},
  recipient = 'x@elsewhere.example.com',
): Promise<SmtpReply> {
  const session = await openSmtpSession(client, target)
  try {
    const mail = await session.mailFrom()
    return mail.code === 250 ? await session.rcpt(recipient) : mail
  } finally {
    await session[Symbol.asyncDispose]()
  }
}

function session(
  child: ChildProcessWithoutNullStreams,
  banner: SmtpReply,
  command: (line: string) => Promise<SmtpReply>,
): SmtpSession {
  const mailFrom = (sender = 'roaming@example.org') => command(`MAIL FROM:<${sender}>`)
  return {
    banner,
    command,
    mailFrom,
    rcpt: (recipient) => command(`RCPT TO:<${recipient}>`),
    nextTransaction: async () => {
      await command('RSET')
      return mailFrom()
    },
    send: async (subject = 'test') => {
      const go = await command('DATA')
      return go.code === 354 ? command(`Subject: ${subject}\r\n\r\nHello.\r\n.`) : go
    },
    [Symbol.asyncDispose]: () => closed(child),
  }
}

async function closed(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
}

// Collects lines until one without a hyphen after the code ends the reply; the end of the connection answers all who wait.
function replyReader(child: ChildProcessWithoutNullStreams): () => Promise<SmtpReply> {
  const ready: SmtpReply[] = []
  const waiting: ((reply: SmtpReply) => void)[] = []
  let [input, error, texts, over] = ['', '', [] as string[], false]
  const deliver = (reply: SmtpReply) => {
    const waiter = waiting.shift()
    if (waiter) waiter(reply)
    else ready.push(reply)
  }
  const takeLine = (line: string) => {
    texts.push(line.slice(4))
    if (line[3] === '-') return
    deliver({ code: Number(line.slice(0, 3)), text: texts.join(' ') })
    texts = []
  }
  const closedReply = () => ({ code: 0, text: error.trim() || 'connection closed' })
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (input + chunk.toString('latin1')).split('\r\n')
    input = lines.pop() ?? ''
    for (const line of lines) takeLine(line)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    error += chunk.toString('utf8')
  })
  child.stdin.on('error', () => {}) // the end of the connection is seen on the reading side
  child.on('close', () => {
    over = true
    while (waiting.length > 0) deliver(closedReply())
  })
  return () => {
    const reply = ready.shift()
    if (reply) return Promise.resolve(reply)
    return over ? Promise.resolve(closedReply()) : new Promise((resolve) => waiting.push(resolve))
  }
}

/** One side of an SMTP session (RFC 5321), to ask what would be answered: it never sends a message. */
import { createConnection, type Socket } from 'node:net'
import { reasonOf } from '../../errors.ts'

/** A server's answer. Code 0: the connection ended, or nothing came in time. */
export interface SmtpAnswer {
  readonly code: number
  /** All lines, joined by a newline, without the code. */
  readonly text: string
}

/** An open session. */
export interface SmtpDialog extends AsyncDisposable {
  readonly banner: SmtpAnswer
  ask(command: string): Promise<SmtpAnswer>
}

const ANSWER_MS = 20_000
const MOST_BYTES = 65_536

/** Where a server listens. */
export type SmtpPlace = { readonly path: string } | { readonly host: string; readonly port: number }

/** Connects and reads the greeting. @throws the system's error where nobody listens */
export async function openSmtpDialog(place: SmtpPlace): Promise<SmtpDialog> {
  const socket = createConnection(place as { path: string })
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('nothing came in time')))
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const next = answersOf(socket)
  return {
    banner: await next(),
    ask: (command) => {
      socket.write(`${command}\r\n`)
      return next()
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  }
}

/** The answers in `text`, whole ones only, and what is left. */
export function answersIn(text: string): { answers: SmtpAnswer[]; rest: string } {
  const lines = text.split(/\r?\n/)
  const rest = lines.pop() ?? ''
  const answers: SmtpAnswer[] = []
  let open: string[] = []
  for (const [i, line] of lines.entries()) {
    const [, code, mark, said = ''] = /^(\d{3})([ -])?(.*)$/.exec(line) ?? []
    if (code === undefined) continue
    open.push(said)
    if (mark === '-') {
      if (i === lines.length - 1)
        return { answers, rest: `${open.map((part) => `${code}-${part}\r\n`).join('')}${rest}` }
      continue
    }
    answers.push({ code: Number(code), text: open.join('\n') })
    open = []
  }
  return { answers, rest }
}

function answersOf(socket: Socket): () => Promise<SmtpAnswer> {
  const ready: SmtpAnswer[] = []
  let [buffered, waiting, ended] = ['', undefined as ((answer: SmtpAnswer) => void) | undefined, '']
  const deliver = () => {
    if (waiting === undefined) return
    const answer = ready.shift() ?? (ended === '' ? undefined : { code: 0, text: ended })
    if (answer === undefined) return
    const resolve = waiting
    waiting = undefined
    resolve(answer)
  }
  socket.on('data', (bytes: Buffer) => {
    buffered += bytes.toString('latin1')
    const { answers, rest } = answersIn(buffered)
    buffered = rest
    ready.push(...answers)
    if (buffered.length > MOST_BYTES) socket.destroy(new Error('the answer has no end'))
    deliver()
  })
  const end = (why: string) => {
    ended = ended || why
    deliver()
  }
  socket.on('error', (error) => end(reasonOf(error)))
  socket.on('close', () => end('the connection was closed'))
  return () =>
    new Promise((resolve) => {
      waiting = resolve
      deliver()
    })
}

/** A question to the person at the terminal. */
import type { Readable } from 'node:stream'
import type { TerminalLike } from '../lib/terminal.ts'
import type { CliContext } from './context.ts'

/** A longer answer is none. */
const LONGEST_ANSWER = 100

/** True where a person can be asked: standard error and standard input are a terminal. */
export function canAsk({ stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>): boolean {
  if (stderr.isTTY !== true) return false
  const input: Readable & TerminalLike = stdin()
  return input.isTTY === true
}

/** Asks; true for `y` or `yes`. Anything else, the end of the input and `signal` are a no. */
export async function isYes(
  { stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>,
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  stderr.write(question)
  return /^y(es)?$/i.test((await firstLine(stdin(), signal)).trim())
}

/** One line of what is typed, without its end; what came so far where the input ends or the process is told to stop. */
function firstLine(input: Readable, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const take = (bytes: Buffer | string) => {
      text += bytes.toString()
      if (text.includes('\n') || text.length > LONGEST_ANSWER) done()
    }
    const done = () => {
      input.off('data', take).off('end', done).off('error', done)
      signal.removeEventListener('abort', done)
      input.pause()
      resolve(text.includes('\n') && !signal.aborted ? text.slice(0, text.indexOf('\n')) : '')
    }
    input.on('data', take).on('end', done).on('error', done)
    signal.addEventListener('abort', done, { once: true })
    input.resume()
  })
}

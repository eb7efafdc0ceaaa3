// Bounded polling: real servers give no other sign that they are ready.
import { readFile } from 'node:fs/promises'

/** How long to wait (10 s unless told) and how often to look (20 ms unless told). */
export interface WaitOptions {
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * Asks `probe` until it gives something other than undefined, and returns that.
 * @throws {Error} naming `what` when the time is over; an error thrown by `probe` ends the wait at once.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  options: WaitOptions = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not seen within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20))
  }
}

/** Waits for the first line of the file at `path` that matches; a file that does not exist yet is waited for. */
export function waitForLine(path: string, pattern: RegExp, options?: WaitOptions): Promise<string> {
  return waitFor(
    `a line matching ${pattern} in ${path}`,
    async () => (await linesOf(path)).find((line) => pattern.test(line)),
    options,
  )
}

/** The complete lines of a log file, oldest first; none when it does not exist. */
export async function linesOf(path: string): Promise<string[]> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return content.split('\n').slice(0, -1)
}

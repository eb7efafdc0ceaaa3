/**
 * The second thread of `scan`. It takes as long to come up as the program to load, so that it is started before: main.ts asks for one as soon
 * as it sees a large file among the arguments.
 */
import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { SegmentPlan } from './segments.ts'

/** Files of this size are worth a thread. */
const LARGE_FILE_BYTES = 24 * 1024 * 1024

let waiting: Worker | undefined

/** Starts a thread if one of these arguments of `scan` names a large file. What cannot be looked at is for `scan` to tell of. */
export function startForLargeFiles(args: readonly string[]): void {
  if (args.some((path) => sizeOf(path) >= LARGE_FILE_BYTES)) waiting = startThread()
}

function sizeOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0
  } catch {
    return 0 // a file in place of a directory, no right to look, a loop of links, a NUL in the name
  }
}

/** Has a thread search the file of `plan` ahead, where that is worth it. Where none can be started, the first thread does all. */
export function searchInThread(plan: SegmentPlan): void {
  if (plan.size < LARGE_FILE_BYTES) return
  const thread = waiting ?? startThread()
  waiting = undefined
  thread?.postMessage(plan)
}

function startThread(): Worker | undefined {
  const isSource = import.meta.url.endsWith('.ts') // a thread of Node 20 does not load TypeScript
  if (isSource || availableParallelism() < 2) return undefined
  const thread = new Worker(new URL('./search-worker.js', import.meta.url))
  thread.on('error', () => {})
  thread.unref()
  return thread
}

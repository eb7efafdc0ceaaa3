/** The program of the second thread of `scan`: waits for its plan, then reads and searches ahead. */
import { parentPort } from 'node:worker_threads'
import { type SegmentPlan, searchAhead } from './segments.ts'

parentPort?.once('message', (plan: SegmentPlan) => searchAhead(plan))

/** The second thread of `scan`: reads and searches ahead. Started with a SegmentPlan as its data. */
import { workerData } from 'node:worker_threads'
import { type SegmentPlan, searchAhead } from './segments.ts'

searchAhead(workerData as SegmentPlan)

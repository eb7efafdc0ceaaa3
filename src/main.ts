#!/usr/bin/env node
/** Where the process starts: what takes its time begins before the program is loaded. */
import { startForLargeFiles } from './cli/search-thread.ts'

const [command, ...args] = process.argv.slice(2)
if (command === 'scan') startForLargeFiles(args)
await import('./process.ts')

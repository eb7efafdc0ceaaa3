/** What a server in this language can answer at most: one that sends back what came, in a process of its own, on one core. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

// With the options of popauthd's own servers. The second argument: one answer for each connection.
const ECHO = `const [path, once] = process.argv.slice(1)
const options = { allowHalfOpen: true, noDelay: true }
require('node:net').createServer(options, (socket) => {
  socket.on('data', (chunk) => once ? socket.end(chunk) : socket.write(chunk))
  socket.on('end', () => socket.end())
  socket.on('error', () => socket.destroy())
}).listen(path, () => console.log('listening'))`

/** A server under measurement. */
export interface BenchServer extends AsyncDisposable {
  readonly pid: number
}

/** Starts an echo server on a Unix socket; `isOneShot`: it closes after its answer. */
export async function startEcho(path: string, isOneShot: boolean): Promise<BenchServer> {
  const child = spawn(process.execPath, ['-e', ECHO, path, ...(isOneShot ? ['once'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid as number,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

/** Puts all threads of a process on these cores (taskset(1)): servers on one, who asks them on another. */
export function pin(pid: number, cores: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)], { stdio: 'ignore' })
}

/** CPU seconds that a process has used in all its threads so far (schedstat, nanoseconds). */
export function cpuSeconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e9
}

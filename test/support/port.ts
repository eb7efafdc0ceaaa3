// Waits until a server in a laboratory host answers on its port.
import type { ChrootProcess } from './chroot-process.ts'
import { inHost, type LabHost } from './netns.ts'
import { run } from './run.ts'

// Runs inside the host's namespace: tries again until a connection is accepted or the time is over.
const PROBE = `const [host, port, limit] = process.argv.slice(1)
const deadline = Date.now() + Number(limit)
const attempt = () => {
  const socket = require('node:net').connect({ host, port: Number(port) })
  socket.on('connect', () => process.exit(0))
  socket.on('error', () => (Date.now() > deadline ? process.exit(1) : setTimeout(attempt, 20)))
}
attempt()`

const LIMIT_MS = 20_000

/**
 * Resolves once `address` accepts connections on `port`.
 * @throws {Error} with the server's own output when it ends instead, or does not answer within 20 s.
 */
export async function waitForPort(host: LabHost, address: string, port: number, server: ChrootProcess): Promise<void> {
  const probe = run('ip', inHost(host, [process.execPath, '-e', PROBE, address, String(port), String(LIMIT_MS)]))
  const answered = await Promise.race([probe.then((result) => result.code === 0), died(server, probe)])
  if (!answered) throw new Error(`no server at ${address} port ${port}; it said: ${server.output() || 'nothing'}`)
}

async function died(server: ChrootProcess, probe: Promise<unknown>): Promise<boolean> {
  let over = false
  const end = () => {
    over = true
  }
  probe.then(end, end)
  while (!over) {
    if (!server.running()) return false
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return new Promise<boolean>(() => {}) // the probe decides
}

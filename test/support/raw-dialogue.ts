// Says arbitrary bytes to a server of the laboratory, as an attacker does.
import { inHost, type LabHost, SERVER_ADDRESS } from './netns.ts'
import { run } from './run.ts'

// Runs in the client's namespace. Each line waits for the answer to the one before it.
const CLIENT = `const [host, port] = process.argv.slice(1)
const lines = require('node:fs').readFileSync(0, 'latin1').split('\\0')
const socket = require('node:net').connect({ host, port: Number(port) })
socket.setTimeout(20000, () => socket.destroy())
socket.on('data', (answer) => {
  process.stdout.write(answer)
  if (lines.length > 0) socket.write(lines.shift() + '\\r\\n', 'latin1')
  else socket.end()
})
socket.on('error', () => {})`

/** Connects to the server's `port`, says each line (latin1, no NUL) after an answer, and resolves with all answers at the end. */
export async function sayLines(client: LabHost, port: number, lines: readonly string[]): Promise<string> {
  const commandLine = [process.execPath, '-e', CLIENT, SERVER_ADDRESS, String(port)]
  const { stdout } = await run('ip', inHost(client, commandLine), { input: lines.join('\0') })
  return stdout
}

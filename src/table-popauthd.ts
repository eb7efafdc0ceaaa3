#!/usr/bin/env node
// The table program of OpenSMTPD: `table popauth popauthd:/run/popauthd/opensmtpd.sock` in smtpd.conf makes smtpd run it.
// One file that imports nothing, so that it runs as a module and as none, under any name and beside any package.json. Ends when smtpd closes its input, and for nothing else: smtpd ends with it.
import { systemClock } from './lib/clock.ts'
import { type Link, type LinkEvents, TableProgram } from './responders/opensmtpd/table-program.ts'

const { createConnection } = process.getBuiltinModule('node:net')
const place = process.argv[2] ?? '/run/popauthd/opensmtpd.sock'

// Nobody reads what Node would say of an error, and an end would be worse than any. SIGUSR1 would open a debugger's port.
process.on('uncaughtException', () => {})
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE', 'SIGALRM', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => {})
}

function connect({ received, closed }: LinkEvents): Link {
  const socket = createConnection(place)
  let reason: string | undefined
  socket.setEncoding('latin1')
  socket.on('data', received)
  socket.on('end', () => socket.destroy())
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'connect') reason = error.code ?? 'an unknown error'
  })
  socket.on('close', () => closed(reason))
  return { write: (text) => void socket.write(text, 'latin1'), close: () => void socket.destroy() }
}

const program = new TableProgram({
  clock: systemClock,
  connect,
  say: (text) => void process.stdout.write(text, 'latin1'),
  place,
})
process.stdout.on('error', () => {})
process.stdin.setEncoding('latin1')
process.stdin.on('data', (text: string) => program.receive(text))
process.stdin.on('error', () => program.end())
process.stdin.on('end', () => program.end())

/** Every kind of source over something that a test writes to: what the contract suite runs on. */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { appendFileSync, closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { SyslogConfig } from '../../src/config/config.ts'
import { systemClock as clock } from '../../src/lib/clock.ts'
import { FifoSource } from '../../src/sources/fifo-source.ts'
import { FileSource } from '../../src/sources/file/file-source.ts'
import { JournalSource } from '../../src/sources/journal/journal-source.ts'
import { ReportSource } from '../../src/sources/reports/report-source.ts'
import type { Source, SourceNotice } from '../../src/sources/source.ts'
import { StdinSource } from '../../src/sources/stdin-source.ts'
import type { DatagramReceiver } from '../../src/sources/syslog/datagram-receiver.ts'
import { SyslogSource } from '../../src/sources/syslog/syslog-source.ts'
import { WhosonSource } from '../../src/sources/whoson/whoson-source.ts'
import { type CertificateFiles, TestAuthority } from '../support/authority.ts'
import { fakeJournalctl, journalEntry } from '../support/fake-journalctl.ts'

/** One kind of source with something to write to it. */
export interface Subject {
  /** A new source over the same log, as after a restart. */
  open(): Source
  write(text: string): void
  close?(): void
}

type Notice = (notice: SourceNotice) => void

/** A kind of source. */
export interface SourceKind {
  readonly name: string
  /** Why nothing can be resumed, where that is so. */
  readonly onceOnly?: string
  /** Why there is nothing to catch up with, where that is so. */
  readonly isLive?: string
  /** One entry with its line end. */
  readonly entry: (number: number) => string
  /** What is read of it, where that is not the entry itself. */
  readonly seen?: (number: number) => string
  /** Bytes of a line that is too long, and what is told of it. */
  readonly tooLong: { readonly bytes: number; readonly notice: SourceNotice['kind'] }
  /** What the kind needs beforehand, in a directory that stays. */
  readonly prepare?: (directory: string) => Promise<void>
  make(directory: string, notice: Notice): Subject
}

const maxLineBytes = 400
const tooLong = { bytes: 3000, notice: 'line_too_long' } as const
const ONCE = 'a receiver gives what comes, once'
const LIVE = 'what senders have waiting is not known before they send it'

const journal = (number: number) => journalEntry(number, `Login ${'.'.repeat(number % 70)}`)
const syslog = (number: number) => `<22>Nov 22 13:35:56 mx test[${number}]: Login ${'.'.repeat(number % 70)}\n`
const fields = (user: string) => ({ user, remote_ip: '198.51.100.7', protocol: 'imap', success: 'yes' })
const report = (number: number) =>
  `${JSON.stringify({ event: 'auth_request_finished', fields: fields(`user${number}`) })}\n`

const whoson = (number: number) => `LOGIN 198.51.100.7 user${number}\r\n\r\n`

/** How a sender reaches a source that listens. */
interface Line {
  write(text: string): void
  destroy(): void
}

/** A sender that keeps what it has until somebody listens. `open` makes the source, `reach` the connection to it. */
function listening<T extends Source>(notice: Notice, open: (notice: Notice) => T, reach: (source: T) => Line): Subject {
  let waiting = ''
  let line: Line | undefined
  return {
    open: () => {
      const source: T = open((one) => {
        notice(one)
        if (one.kind !== 'opened') return
        line?.destroy()
        line = reach(source)
        if (waiting !== '') line.write(waiting)
        waiting = ''
      })
      return source
    },
    write: (text) => {
      if (line === undefined) waiting += text
      else line.write(text)
    },
    close: () => line?.destroy(),
  }
}

/** `inboxBytes`: small, so that senders have to wait; where none can, all must find room. */
function receiver(config: SyslogConfig, notice: Notice, reach: (port: number) => Line, inboxBytes = 512): Subject {
  const open = (heard: Notice) =>
    new SyslogSource({ config, clock, notice: heard, maxFrameBytes: maxLineBytes, inboxBytes })
  return listening(notice, open, ({ receiver }) => reach((receiver as DatagramReceiver).port))
}

/** Hands on whole lines, without their ends. */
function byLine(send: (line: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) send(line)
  }
}

/** One datagram a line. */
function datagrams(port: number): Line {
  const socket = createSocket('udp4')
  return { write: byLine((line) => socket.send(line, port, inet.address)), destroy: () => socket.close() }
}

/** One counted frame a line, as RFC 5425 has it, from a client that has a certificate. */
function frames(port: number): Line {
  const { ca, client } = certificates
  const [cert, key, authority] = [client.certificate, client.key, ca].map((file) => readFileSync(file, 'utf8'))
  const socket = connectTls({ host: inet.address, port, cert, key, ca: authority } as ConnectionOptions)
  socket.on('error', unheard)
  return {
    write: byLine((line) => socket.write(`${Buffer.byteLength(line)} ${line}`)),
    destroy: () => socket.destroy(),
  }
}

const unheard = () => {}
const inet = { address: '127.0.0.1', port: 0, maxConnections: 5 } as const
let certificates: { readonly ca: string; readonly server: CertificateFiles; readonly client: CertificateFiles }

/** All of them. */
export const sourceKinds: readonly SourceKind[] = [
  {
    name: 'file',
    entry: journal,
    tooLong,
    make(directory, notice) {
      const path = join(directory, 'mail.log')
      writeFileSync(path, '')
      const open = () => new FileSource({ path, clock, notice, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => appendFileSync(path, text) }
    },
  },
  {
    name: 'journal (a stand-in for journalctl: journald takes root and a namespace of its own)',
    entry: journal,
    tooLong,
    make(directory, notice) {
      const journal = join(directory, 'entries')
      writeFileSync(journal, '')
      const command = fakeJournalctl(directory, journal)
      const open = () => new JournalSource({ clock, notice, command, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => appendFileSync(journal, text) }
    },
  },
  {
    name: 'stdin',
    onceOnly: 'a pipe cannot be read again',
    entry: journal,
    tooLong,
    make(_directory, notice) {
      const stream = new PassThrough()
      const open = () => new StdinSource({ stream, clock, notice, maxLineBytes, chunkBytes: 512 })
      return { open, write: (text) => void stream.write(text) }
    },
  },
  {
    name: 'fifo',
    onceOnly: 'a pipe cannot be read again',
    entry: journal,
    tooLong,
    make(directory, notice) {
      const path = join(directory, 'log')
      execFileSync('mkfifo', ['-m', '0600', path])
      const open = () =>
        new FifoSource({ path, mode: 0o600, group: undefined, clock, notice, maxLineBytes, chunkBytes: 512 })
      const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
      return { open, write: (text) => void writeSync(fd, text), close: () => closeSync(fd) }
    },
  },
  {
    name: 'syslog over a Unix socket',
    onceOnly: ONCE,
    isLive: LIVE,
    entry: syslog,
    tooLong,
    make(directory, notice) {
      const path = join(directory, 'log')
      const config = { transport: 'unix', path, mode: 0o660, group: undefined, maxConnections: 5 } as const
      return receiver(config, notice, () => connect(path).on('error', unheard))
    },
  },
  {
    name: 'syslog over TCP',
    onceOnly: ONCE,
    isLive: LIVE,
    entry: syslog,
    tooLong,
    make: (_directory, notice) =>
      receiver({ transport: 'tcp', ...inet }, notice, (port) => connect(port, inet.address).on('error', unheard)),
  },
  {
    name: 'syslog over TLS',
    onceOnly: ONCE,
    isLive: LIVE,
    entry: syslog,
    tooLong,
    async prepare(directory) {
      const authority = await TestAuthority.make(directory)
      const server = await authority.issue({ name: 'mx', alsoFor: ['IP:127.0.0.1'], usage: 'serverAuth' })
      const client = await authority.issue({ name: 'pop.example.net', usage: 'clientAuth' })
      certificates = { ca: authority.certificate, server, client }
    },
    make(_directory, notice) {
      const { ca, server } = certificates
      const files = { ...server, clientCa: ca, clientNames: ['pop.example.net'] }
      return receiver({ transport: 'tls', ...inet, ...files }, notice, frames)
    },
  },
  {
    name: 'syslog over UDP',
    onceOnly: ONCE,
    isLive: LIVE,
    entry: syslog,
    tooLong,
    make: (_directory, notice) => receiver({ transport: 'udp', ...inet }, notice, datagrams, 64 * 1024),
  },
  {
    name: 'login reports of Dovecot',
    onceOnly: 'a report is sent once',
    isLive: LIVE,
    entry: report,
    seen: (number) => `user${number}\n`,
    tooLong: { bytes: 20_000, notice: 'reports_refused' },
    make(directory, notice) {
      const path = join(directory, 'reports')
      const socket = { path, mode: 0o660, group: undefined }
      const open = (heard: Notice) => new ReportSource({ http: undefined, socket, clock, notice: heard })
      return listening(notice, open, () => connect(path).on('error', unheard))
    },
  },
  {
    name: 'whoson over a Unix socket',
    onceOnly: 'a LOGIN is sent once',
    isLive: LIVE,
    entry: whoson,
    seen: (number) => `user${number}\n`,
    tooLong: { bytes: 20_000, notice: 'refused' },
    make(directory, notice) {
      const path = join(directory, 'whoson')
      const config = { transport: 'unix', path, mode: 0o660, group: undefined, maxConnections: 5 } as const
      const lookup = () => undefined
      const open = (heard: Notice) => new WhosonSource({ config, clock, notice: heard, lookup })
      return listening(notice, open, () => connect(path).on('error', unheard).resume())
    },
  },
]

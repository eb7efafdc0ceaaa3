/** What the sources are called: for people, and as the key of their position. */
import type { SourceConfig, SyslogConfig } from './config.ts'

/** The name of a source for people: a path, `journal`, or `syslog tls 192.0.2.25 port 6514`. */
export function sourceName(source: SourceConfig): string {
  if (source.kind === 'journal') return 'journal'
  return source.kind === 'syslog' ? receiverName(source.receiver) : source.path
}

/** The key under which a source's position is kept, the `id` of the source that is opened for it. */
export function sourceId(source: SourceConfig): string {
  if (source.kind === 'journal') return 'journal'
  return source.kind === 'syslog' ? receiverId(source.receiver) : `${source.kind}:${source.path}`
}

/** The name of a receiver for people. */
export function receiverName(receiver: SyslogConfig): string {
  if (receiver.transport === 'unix') return receiver.path
  return `syslog ${receiver.transport} ${receiver.address} port ${receiver.port}`
}

/** The key of a receiver. */
export function receiverId(receiver: SyslogConfig): string {
  if (receiver.transport === 'unix') return `syslog:unix:${receiver.path}`
  return `syslog:${receiver.transport}:${receiver.address}:${receiver.port}`
}

/** What the sources are called: for people, and as the key of their position. */
import type { ProvenConfig, ReportsConfig, SourceConfig, SyslogConfig } from './config.ts'

/** The name of a source for people: a path, `journal`, or `syslog tls 192.0.2.25 port 6514`. */
export function sourceName(source: SourceConfig): string {
  if (source.kind === 'journal') return 'journal'
  if (source.kind === 'dovecot_reports') return reportsName(source.reports)
  if (source.kind === 'whoson') return whosonName(source.receiver)
  return source.kind === 'syslog' ? receiverName(source.receiver) : source.path
}

/** The key under which a source's position is kept, the `id` of the source that is opened for it. */
export function sourceId(source: SourceConfig): string {
  if (source.kind === 'journal') return 'journal'
  if (source.kind === 'dovecot_reports') return reportsId(source.reports)
  if (source.kind === 'whoson') return whosonId(source.receiver)
  return source.kind === 'syslog' ? receiverId(source.receiver) : `${source.kind}:${source.path}`
}

/** The name of a receiver for people. */
function receiverName(receiver: SyslogConfig): string {
  if (receiver.transport === 'unix') return receiver.path
  return `syslog ${receiver.transport} ${receiver.address} port ${receiver.port}`
}

/** The name of a source of login reports for people. */
export function reportsName(reports: ReportsConfig): string {
  return `login reports at ${reportPlaces(reports).join(' and ')}`
}

/** The key of a source of login reports. */
export function reportsId(reports: ReportsConfig): string {
  return `dovecot_reports:${reportPlaces(reports).join(',')}`
}

/** Where login reports are taken: address and port, path of the socket. */
export function reportPlaces({ http, socket }: ReportsConfig): string[] {
  const host = http?.host.includes(':') ? `[${http.host}]` : http?.host
  return [...(http === undefined ? [] : [`${host}:${http.port}`]), ...(socket === undefined ? [] : [socket.path])]
}

/** The key of a receiver. */
export function receiverId(receiver: SyslogConfig): string {
  if (receiver.transport === 'unix') return `syslog:unix:${receiver.path}`
  return `syslog:${receiver.transport}:${receiver.address}:${receiver.port}`
}

/** The name of a source of Whoson's LOGIN for people. */
export function whosonName(receiver: ProvenConfig): string {
  return receiver.transport === 'unix'
    ? `whoson at ${receiver.path}`
    : `whoson at ${receiver.address} port ${receiver.port}`
}

/** The key of a source of Whoson's LOGIN. */
export function whosonId(receiver: ProvenConfig): string {
  if (receiver.transport === 'unix') return `whoson:unix:${receiver.path}`
  return `whoson:tls:${receiver.address}:${receiver.port}`
}

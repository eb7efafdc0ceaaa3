// rsyslog as the log of the laboratory's mail host: every server's lines in one stream, as on a real machine, in three formats.

import { access } from 'node:fs/promises'
import { type ChrootProcess, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { waitFor } from './wait-for.ts'

/** The running rsyslog and the files it writes (host paths, all in the laboratory's shared directory). */
export interface RsyslogServer extends ChrootProcess {
  /** The classic format, `Nov 22 16:23:01 mx dovecot: ...`. */
  readonly traditionalLog: string
  /** ISO 8601 times with zone, rsyslog's default today. */
  readonly isoLog: string
  /** RFC 5424 as rsyslog's RSYSLOG_SyslogProtocol23Format writes it. */
  readonly rfc5424Log: string
  /** The socket where programs log: a symbolic link /dev/log in every root leads to it. */
  readonly socket: string
}

/** Starts rsyslog; start it before the servers, which otherwise log into the void. Needs the `dovecot` root. */
export async function startRsyslog(lab: Lab): Promise<RsyslogServer> {
  const paths = {
    traditionalLog: `${lab.shared}/log/mail.log`,
    isoLog: `${lab.shared}/log/mail-iso.log`,
    rfc5424Log: `${lab.shared}/log/mail-rfc5424.log`,
    socket: `${lab.shared}/run/dev-log`,
  }
  const root = await lab.root('dovecot', 'rsyslog')
  await root.write('/etc/rsyslog.conf', configuration(paths))
  const process = startInRoot(root.path, lab.server, ['rsyslogd', '-n', '-i', '/run/rsyslogd.pid'])
  lab.adopt(process)
  await waitFor('the socket of rsyslog', async () => {
    if (!process.running()) throw new Error(`rsyslogd ended: ${process.output()}`)
    return access(paths.socket).then(
      () => true,
      () => undefined,
    )
  })
  return { ...process, ...paths }
}

function configuration(paths: Pick<RsyslogServer, 'traditionalLog' | 'isoLog' | 'rfc5424Log' | 'socket'>): string {
  return `global(workDirectory="/var/spool/rsyslog" localHostname="mx")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${paths.socket}" RateLimit.Interval="0" UseSysTimeStamp="on")
action(type="omfile" file="${paths.traditionalLog}" template="RSYSLOG_TraditionalFileFormat" fileCreateMode="0640")
action(type="omfile" file="${paths.isoLog}" template="RSYSLOG_FileFormat" fileCreateMode="0640")
action(type="omfile" file="${paths.rfc5424Log}" template="RSYSLOG_SyslogProtocol23Format" fileCreateMode="0640")
`
}

/** Where clients choose what stands in the lines of a server: user names, reverse names, what programs say of themselves. */

/** A part of a line that a client chooses, found by the first group of `pattern`; `escape`: how the server writes his text there. */
export interface ClientField {
  readonly pattern: RegExp
  readonly escape?: (text: string) => string
  /** True where the field names who logs in. */
  readonly isUser?: true
}

const json = (text: string) => JSON.stringify(text).slice(1, -1)
const quoted = (text: string) => text.replace(/["\\]/g, '\\$&')
const csv = (text: string) => text.replaceAll('"', '""').replaceAll('\n', '\\n')
const oneLine = (text: string) => text.replace(/[\r\n]/g, ' ')

/** The fields of each server, by the id of its parser. */
export const clientFields: Readonly<Record<string, readonly ClientField[]>> = {
  dovecot: [
    { pattern: /(?<!auth_)user=<([^>]*)>, /, isUser: true },
    { pattern: /auth_user=<([^>]*)>/ },
    { pattern: /-login: (?:Info: )?Login: (\S+) \[/, isUser: true },
    { pattern: /proxy\(([^,)]*)/ },
  ],
  qpopper: [
    { pattern: /by user "([^"]*)"/, isUser: true },
    { pattern: / at \(([^)]*)\) / },
    { pattern: /Stats: (\S+) /, isUser: true },
    { pattern: /Stats: \S+ \d+ \d+ \d+ \d+ (\S+) [0-9a-f]/ },
  ],
  'uw-imap': [
    { pattern: / user=(\S+) /, isUser: true },
    { pattern: / host=(?:([^[\s]\S*) \[)/ },
    { pattern: / auth=(\S+) / },
  ],
  popa3d: [{ pattern: /Authentication (?:passed|failed) for (\S+)/, isUser: true }],
  axigen: [{ pattern: /user '([^']*)'/ }, { pattern: /User \[([^\]]*)\]/, isUser: true }],
  courier: [{ pattern: /user=([^,]*), /, isUser: true }],
  cucipop: [{ pattern: /\]: (\S+) \S+ \d+, /, isUser: true }],
  cyrus: [
    { pattern: /login: ([A-Za-z]\S*) ?\[/ },
    { pattern: /u\.username="?([^\s"]+)/, isUser: true, escape: quoted },
    { pattern: /r\.clienthost="([^"[]*) \[/, escape: quoted },
    { pattern: /\] (\S+) plaintext/, isUser: true },
  ],
  dbmail: [
    { pattern: /user \[([^\]]*)\]/, isUser: true },
    { pattern: /user (\S+) logged/, isUser: true },
    { pattern: /name ([^)]+)\) tries/, isUser: true },
    { pattern: /from \[\S+ \(([^)]*)\)\]/ },
  ],
  exchange: [
    { pattern: /^(?:[^,]*,){5}([^,"]*),/, isUser: true, escape: csv },
    { pattern: /,login,"?([^ ,"]+) \*/, escape: csv },
  ],
  'gnu-pop3d': [{ pattern: /User [`']?([^\s'`:]+)/, isUser: true }, { pattern: /mailbox [`']?([^\s'`]+)/ }],
  gromox: [{ pattern: / user=(\S+) /, isUser: true }],
  hmailserver: [
    { pattern: /RECEIVED: USER (\S+)"/i, isUser: true, escape: oneLine },
    { pattern: /RECEIVED: (\S+) LOGIN/i, escape: oneLine },
    { pattern: /LOGIN "?([^\s"]+)"? \*/i, isUser: true, escape: oneLine },
  ],
  imapproxy: [{ pattern: /LOGIN: '([^']*)'/, isUser: true }],
  mailenable: [{ pattern: /LOGIN "?([^\s"]+)"? /, isUser: true, escape: oneLine }, { pattern: /\t(\w+) OK LOGIN/ }],
  'nginx-mail': [{ pattern: /login: "([^"]*)"/, isUser: true }, { pattern: /failed: "([^"]*)"/ }],
  perdition: [
    { pattern: /(?:authentication_id|user)="([^"]*)"/, isUser: true },
    { pattern: /authorisation_id="([^"]*)"/, isUser: true },
  ],
  popper: [
    { pattern: /login from \S+ as (\S+)$/, isUser: true },
    { pattern: /\(([^,\s]+),\S+\) Authenticated/, isUser: true },
  ],
  'solid-pop3d': [
    { pattern: /user (\S+) authenticated/, isUser: true },
    { pattern: /(?: - |connect from )([A-Za-z]\S*) \(/ },
    { pattern: /no such user: (\S+)/ },
  ],
  stalwart: [{ pattern: /accountName = "([^"]*)"/, isUser: true, escape: quoted }],
  teapop: [{ pattern: / for (\S+) \[/, isUser: true }, { pattern: / from (\S+) \[/ }],
  tpop3d: [{ pattern: /\[\d+\]([^\s(]+)\(/, isUser: true }],
  'vm-pop3d': [
    { pattern: /User '?([^\s']+)/, isUser: true },
    { pattern: /of '([^']*)'/, isUser: true },
  ],
  vpopmail: [
    { pattern: /success ([^\s:@]+)/, isUser: true },
    { pattern: /\[([^\]]*)\] from/, isUser: true },
    { pattern: /pass: '([^']*)'/ },
  ],
  wildduck: [
    { pattern: /AUTH(?:OK|FAIL)\] ([^"\\]*)/, escape: json },
    { pattern: /"_username":"([^"\\]*)"/, isUser: true, escape: json },
  ],
  xmail: [
    { pattern: /:\d\d"\t"([^"\t]*)"/, isUser: true, escape: oneLine },
    { pattern: /"\t"([^"\t]*)"\t"LOGIN"/, escape: oneLine },
  ],
  zimbra: [
    { pattern: /account=([^;]*);/, isUser: true, escape: (text) => text.replaceAll(';', ';;') },
    { pattern: /ua=([^;]*);/, escape: (text) => text.replaceAll(';', ';;') },
    { pattern: /via=([^;]*);/, escape: (text) => text.replaceAll(';', ';;') },
  ],
}

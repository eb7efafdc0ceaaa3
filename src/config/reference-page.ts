/** docs/configuration.md from the option table. */
import { environmentName } from './environment.ts'
import { defaultText } from './example-file.ts'
import { formatMembers } from './format-shapes.ts'
import { sourceMembers } from './list-shapes.ts'
import { lookupMembers } from './lookup-shape.ts'
import { mapMembers } from './map-shape.ts'
import type { Member } from './members.ts'
import { groupOf, groups, type OptionPath, optionPaths, options } from './options.ts'
import { reportMembers } from './report-shape.ts'
import { senderMembers } from './sender-shape.ts'
import { syslogMembers } from './syslog-shape.ts'
import { whosonMembers } from './whoson-shape.ts'

const HEAD = `# Configuration

popauthd needs no configuration to start: every option has a default. What you want otherwise stands in one YAML file,
\`/etc/popauthd/popauthd.yaml\` (FreeBSD: \`/usr/local/etc/popauthd/popauthd.yaml\`). \`etc/popauthd.yaml\` shows every
option at its default; \`etc/classic.yaml\` is the set-up of 2002. Try a file before the daemon sees it:

    popauthd config check

## Where a value comes from

The default; over it the file; over it the environment; over it the command line.

- **The file** is the one that \`--config\` names, else \`$POPAUTHD_CONFIG\`, else the default one. A named file must exist;
  where the default one is missing, the defaults apply.
- **The environment**: options with a single value can be set by a variable, \`POPAUTHD_WINDOW_SECONDS=600\` for
  \`window_seconds\`, \`POPAUTHD_LOG_LEVEL=debug\` for \`log.level\`. Other names that begin with \`POPAUTHD_\` are ignored with
  a warning.
- **A user without privileges** on a host without a system-wide popauthd (neither its configuration file nor its state
  directory is there) gets places of their own instead: \`$XDG_CONFIG_HOME/popauthd/popauthd.yaml\`,
  \`$XDG_STATE_HOME/popauthd\`, and sockets in \`$XDG_RUNTIME_DIR/popauthd\`.
- **FreeBSD**: \`/var/db/popauthd\` in place of \`/var/lib/popauthd\`, \`/var/run\` in place of \`/run\`.

## How it is read

YAML 1.2, one document, UTF-8, at most 1 MiB. Unknown names, names that stand twice and values of the wrong kind are
errors; all of them are told at once, each with its line and column, what was found, and what is expected. Nothing is
guessed: durations are whole numbers in the unit that the name ends with, paths are absolute, modes are octal in quotes
(\`"0660"\`), IPv6 networks are best quoted (\`"2001:db8::/32"\`).

On SIGHUP the file is read and validated as a whole first. If it does not validate, the daemon says why and goes on with
the configuration it has. Options marked _restart_ keep their old value until popauthd is restarted, and the daemon says so.

The commands in the file (\`command\` of \`maps\`, \`makemap_command\`, \`editmap_command\`) are run with the rights of the daemon: only root
should be able to write it. A file that everybody may write is reported.
`

/** The text of the reference page. */
export function referencePage(): string {
  const top = optionPaths.filter((path) => groupOf(path) === undefined)
  const sections = Object.entries(groups).map(
    ([name, says]) => `\n## \`${name}\`\n\n${says}\n\n${table(optionPaths.filter((path) => groupOf(path) === name))}`,
  )
  return `${HEAD}\n## Options\n\n${table(top)}\n${sourcesPart()}${formatsPart()}${lookupsPart()}${mapsPart()}${sections.join('')}`
}

function table(paths: readonly OptionPath[]): string {
  const rows = paths.map((path) => {
    const { shape, unit, effect, says } = options[path]
    const variable = environmentName(path)
    const value = unit === undefined ? shape.kind : `${shape.kind} (${unit})`
    const text = variable === undefined ? says : `${says} \`${variable}\``
    return [`\`${path}\``, value, `\`${defaultText(path)}\``, effect, text]
  })
  return aligned([['option', 'value', 'default', 'takes effect on', 'what it does, and its variable'], ...rows])
}

function sourcesPart(): string {
  return `### Entries of \`sources\`

Each is one of \`file\`, \`journal\`, \`fifo\`, \`syslog\`, \`dovecot_reports\` and \`whoson\`.

${membersTable(sourceMembers)}
\`\`\`yaml
sources:
  - file: /var/log/mail.log
    timezone: Europe/Berlin
    servers: [dovecot]
  - journal: true
\`\`\`

#### Options below \`senders\`

Each entry is about one server, and needs at least one of \`unit\`, \`exe\` and \`uid\`. Each of them, where it is given, replaces what popauthd
asks there itself. [journal.md](journal.md) says what that is, and shows how to see what your server has.

${membersTable(senderMembers)}
\`\`\`yaml
sources:
  - journal: true
    senders:
      - server: dovecot
        unit: [mail-store.service, mail-store@*.service]
      - server: cyrus
        exe: /srv/cyrus/libexec/imapd
        uid: 1204
\`\`\`

#### Options below \`syslog\`

Each entry is one receiver. What senders write, and what each transport proves, stands in [syslog.md](syslog.md).

${membersTable(syslogMembers)}
\`\`\`yaml
sources:
  - syslog:
      transport: tls
      address: 192.0.2.25
      certificate: /etc/popauthd/mx.pem
      key: /etc/popauthd/mx.key
      client_ca: /etc/popauthd/senders-ca.pem
  - syslog:
      transport: unix
      socket: /run/popauthd/syslog.sock
      group: adm
\`\`\`

#### Options below \`dovecot_reports\`

Each entry takes reports by HTTP (\`listen\` and \`secret_file\`), by a Unix socket (\`socket\`), or both. It has no \`timezone\` and no
\`servers\`. What to write in Dovecot stands in [dovecot-reports.md](dovecot-reports.md).

${membersTable(reportMembers)}
\`\`\`yaml
sources:
  - dovecot_reports:
      listen: 127.0.0.1:8025
      secret_file: /etc/popauthd/dovecot-secret
\`\`\`

#### Options below \`whoson\`

Each entry takes LOGIN and LOGOUT from servers that prove who they are. It has no \`timezone\` and no \`servers\`. What they do stands in
[whoson.md](whoson.md).

${membersTable(whosonMembers)}
\`\`\`yaml
sources:
  - whoson:
      transport: unix
      socket: /run/popauthd/whoson-login.sock
      group: mail
\`\`\`
`
}

function formatsPart(): string {
  return `
### Entries of \`formats\`

Each describes the login lines of one server. What has no default must be given. How one is made, and what keeps forged
lines out, stands in [own-formats.md](own-formats.md).

${membersTable(formatMembers)}`
}

function lookupsPart(): string {
  return `
### Entries of \`lookups\`

Each is a socket on which an MTA asks, address by address, who may relay; nothing can be granted there. \`protocol\` must be given, and
\`socket\` or \`listen\`.

${membersTable(lookupMembers)}
\`\`\`yaml
lookups:
  - protocol: socketmap
    socket: /var/spool/postfix/popauthd/map.sock
    group: postfix
  - protocol: readsocket
    socket: /run/popauthd/exim.sock
    group: Debian-exim
\`\`\`
`
}

function mapsPart(): string {
  return `
### Entries of \`maps\`

Each is a copy of the table that an MTA reads, kept in step with it: what was granted or ended is there within 2 seconds. The page of each MTA says
what to write there. \`popauthd prune\` keeps maps in step where no daemon runs.

${membersTable(mapMembers)}
\`\`\`yaml
maps:
  - format: exim_list
    path: /var/lib/popauthd/exim/hosts
  - format: command
    command: [/usr/local/bin/on-change, --quiet]
\`\`\`
`
}

function membersTable(members: Readonly<Record<string, Member>>): string {
  const rows = Object.entries(members).map(([name, member]) => {
    const standard = member.default === '' ? '' : `\`${member.default}\``
    return [`\`${name}\``, member.shape.kind, standard, member.says]
  })
  return aligned([['option', 'value', 'default', 'what it does'], ...rows])
}

/** A Markdown table with its columns aligned; the first row is the head. */
function aligned(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(cell))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  const [head = [], ...body] = cells
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('')
}

/** FEATURE(`access_db') holds a backquote: Markdown must not take it for code. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace("FEATURE(`access_db')", 'FEATURE(access_db)')
}

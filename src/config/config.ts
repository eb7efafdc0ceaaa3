/** The validated configuration, as the parts of the daemon see it. Names follow the options of options.ts in camelCase. */
import type { Network } from '../core/client-address.ts'
import type { OwnFormat } from '../core/own-format.ts'

/** Where logins come from: a file, the journal, a named pipe, what comes to a syslog receiver, Dovecot's own reports, or Whoson's LOGIN. */
export type SourceConfig =
  | {
      readonly kind: 'file'
      readonly path: string
      /** IANA zone (or `local`) of lines without one. */
      readonly timezone: string
      /** Parser ids for this source; empty: those of `servers`. */
      readonly servers: readonly string[]
    }
  | {
      readonly kind: 'journal'
      readonly timezone: string
      readonly servers: readonly string[]
      /** Who writes a server's lines, where that is not what popauthd expects. */
      readonly senders?: readonly JournalSenders[]
    }
  | (SocketConfig & { readonly kind: 'fifo'; readonly timezone: string; readonly servers: readonly string[] })
  | {
      readonly kind: 'syslog'
      readonly receiver: SyslogConfig
      readonly timezone: string
      readonly servers: readonly string[]
    }
  | {
      readonly kind: 'dovecot_reports'
      readonly reports: ReportsConfig
      readonly timezone: string
      /** Always `dovecot`. */
      readonly servers: readonly string[]
    }
  | {
      readonly kind: 'whoson'
      readonly receiver: ProvenConfig
      readonly timezone: string
      /** Always empty: no line is read. */
      readonly servers: readonly string[]
    }

/** Who may write the lines of one server into the journal. What is not there stays with popauthd's own rule. */
export interface JournalSenders {
  /** Parser id. */
  readonly server: string
  /** Units; a `*` behind the `@` of a template stands for any instance. */
  readonly units?: readonly string[]
  readonly uids?: readonly number[]
  /** Absolute paths of program files. */
  readonly executables?: readonly string[]
}

/** Where login reports are taken; at least one of the two. */
export interface ReportsConfig {
  readonly http: { readonly host: string; readonly port: number; readonly secretFile: string } | undefined
  readonly socket: SocketConfig | undefined
}

/** Where a syslog receiver listens. `tcp` and `udp` are there only where the operator has taken their risk. */
export type SyslogConfig =
  | ProvenConfig
  | {
      readonly maxConnections: number
      readonly transport: 'tcp' | 'udp'
      readonly address: string
      readonly port: number
    }

/** Where something listens that knows who sends: by the rights of a Unix socket, or by certificates. */
export type ProvenConfig = { readonly maxConnections: number } & (
  | ({ readonly transport: 'unix' } & SocketConfig)
  | {
      readonly transport: 'tls'
      readonly address: string
      readonly port: number
      /** PEM files: the receiver's certificate and key, and the authorities of the senders' certificates. */
      readonly certificate: string
      readonly key: string
      readonly clientCa: string
      /** Names that a sender's certificate may have; empty: any. */
      readonly clientNames: readonly string[]
    }
)

/** A Unix socket (or named pipe) with the rights it gets. `group` undefined: the process's own. */
export interface SocketConfig {
  readonly path: string
  /** File mode bits, for instance 0o660. */
  readonly mode: number
  readonly group: string | undefined
}

/** A socket on which an MTA asks who may relay. */
export interface LookupConfig {
  readonly protocol: 'socketmap' | 'policy' | 'readsocket' | 'opensmtpd' | 'whoson'
  readonly at: SocketConfig | PortConfig
  /** Datagrams in place of connections; `at` is a port then. Whoson only. */
  readonly udp?: true
  readonly maxConnections: number
}

/** An address of this host and a port; 0: any free one. */
export interface PortConfig {
  readonly address: string
  readonly port: number
}

/** What every map has. */
interface AnyMapConfig {
  /** Changes that come within this time are published together. */
  readonly gatherMilliseconds: number
  /** Program and arguments, no shell; empty: none. What it is for depends on the format. */
  readonly command: readonly string[]
}

/** A map that is one file. */
export interface FileMapConfig extends AnyMapConfig {
  readonly path: string
  /** Rights of a file that is made. */
  readonly mode: number
  readonly group: string | undefined
}

/** A copy of the table that an MTA or a firewall reads, kept in step with it. */
export type MapConfig =
  | (FileMapConfig & { readonly format: 'exim_list' | 'exim_iplsearch' | 'exim_cdb' | 'opensmtpd' })
  /** `path` is without its suffix; `mapType` undefined: what Postfix says is its default. */
  | (FileMapConfig & { readonly format: 'postfix'; readonly mapType: 'lmdb' | 'cdb' | 'hash' | 'btree' | undefined })
  /** `rules`: the operator's own. */
  | (FileMapConfig & { readonly format: 'tcprules'; readonly rules: string | undefined })
  /** `rules`: the directory with the operator's own files. */
  | (FileMapConfig & { readonly format: 'courier'; readonly rules: string })
  /** `table`: family and name. */
  | (AnyMapConfig & {
      readonly format: 'nftables'
      readonly table: string
      readonly setIpv4: string
      readonly setIpv6: string
      readonly setAlwaysIpv4: string
      readonly setAlwaysIpv6: string
    })
  | (AnyMapConfig & { readonly format: 'command' })

/** The sendmail access map (2002 contract). All files lie beside `path`: `.static`, `.info`, `.db`. */
export interface SendmailAccessConfig {
  readonly enabled: boolean
  /** Text file, for instance /etc/mail/access. */
  readonly path: string
  /** Map type given to makemap: hash, btree, cdb or dbm. */
  readonly mapType: string
  /** Command that builds a map: program and arguments, no shell. `{type}` and `{map}` are replaced. */
  readonly makemapCommand: readonly string[]
  /** Program that removes single keys; empty: always rebuild. `{type}`, `{map}`; keys are appended. */
  readonly editmapCommand: readonly string[]
  /** `Connect:` keys, or bare ones as in 2002. */
  readonly taggedKeys: boolean
  /** Changes that come within this time are gathered into one run. */
  readonly gatherMilliseconds: number
  /** Write `access.info` (date, user, address, Unix time). */
  readonly writeInfo: boolean
}

/** The whole configuration. */
export interface Config {
  readonly stateDirectory: string
  readonly windowSeconds: number
  readonly whenStopped: 'close' | 'until_expiry'
  /** Parser ids in use; empty: all. */
  readonly servers: readonly string[]
  readonly sources: readonly SourceConfig[]
  /** The operator's own formats. */
  readonly formats: readonly OwnFormat[]
  readonly admission: {
    readonly never: readonly Network[]
    /** Loopback, the host's own addresses, gateways and bridges. */
    readonly neverDefaults: boolean
    readonly always: readonly Network[]
    readonly addressesPerUser: number
    readonly usersPerAddress: number
    /** Prefix length that one IPv6 login opens: 128 or as short as 48. */
    readonly ipv6Prefix: number
    readonly maxAddresses: number
  }
  readonly control: SocketConfig
  readonly sendmailAccess: SendmailAccessConfig
  readonly socketmap: SocketConfig & { readonly enabled: boolean; readonly maxConnections: number }
  readonly lookups: readonly LookupConfig[]
  readonly maps: readonly MapConfig[]
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly format: 'auto' | 'json' | 'pretty' }
}

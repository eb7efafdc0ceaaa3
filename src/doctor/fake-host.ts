/** A host for the tests of the checks: the defaults of the configuration below a directory of its own, and accounts that do not change. */
import { join } from 'node:path'
import type { SourceStatus, StatusAnswer } from '../admin/api-types.ts'
import { loadConfig } from '../config/load.ts'
import { Accounts } from './accounts.ts'
import type { Host, HostPlaces } from './finding.ts'

/** root, a daemon (900), a service (901), a syslog daemon (902), and two people; `adm` has one of them, `staff` has both. */
export const accounts = new Accounts(
  `root:x:0:0:root:/root:/bin/bash
popauthd:x:900:900::/var/lib/popauthd:/usr/sbin/nologin
dovecot:x:901:901::/nonexistent:/bin/false
syslog:x:902:902::/nonexistent:/usr/sbin/nologin
ann:x:1001:1001::/home/ann:/bin/bash
bob:x:1002:1002::/home/bob:/bin/sh
`,
  'root:x:0:\npopauthd:x:900:\nadm:x:4:ann,syslog\nstaff:x:50:ann,bob\nloggers:x:60:syslog\nempty:x:70:\n',
)

/** Options as in the configuration file, over what keeps everything below `directory`. */
export function fakeHost(
  directory: string,
  options: Readonly<Record<string, unknown>> = {},
  changes: Partial<Host> & { readonly places?: Partial<HostPlaces> } = {},
): Host {
  const { config, warnings } = loadConfig({
    env: {},
    privileged: false,
    home: directory,
    overrides: {
      state_directory: join(directory, 'state'),
      control: { socket: join(directory, 'control.sock') },
      socketmap: { socket: join(directory, 'lookup.sock') },
      ...options,
    },
  })
  return {
    config,
    configFile: undefined,
    configWarnings: warnings,
    sources: config.sources,
    sourceProblem: undefined,
    daemon: { kind: 'none' },
    accounts,
    daemonUid: process.geteuid?.() ?? 0,
    ...changes,
    places: {
      proc: join(directory, 'proc'),
      syslogConfigs: [join(directory, 'rsyslog.conf'), join(directory, 'rsyslog.d')],
      logSocket: join(directory, 'log'),
      timerLinks: [join(directory, 'timers')],
      crontabs: [join(directory, 'cron.d'), join(directory, 'crontab')],
      journalDirectories: [join(directory, 'journal')],
      ...changes.places,
    },
  }
}

/** What a running daemon says of itself. */
export function fakeStatus(changes: Partial<StatusAnswer> = {}, source: Partial<SourceStatus> = {}): StatusAnswer {
  return {
    daemon: true,
    ready: true,
    version: '0.0.0',
    pid: 42,
    stateDirectory: '/state',
    windowSeconds: 1800,
    whenStopped: 'until_expiry',
    table: { addresses: 3, authorized: 2, decisions: 0 },
    sources: [{ id: 'file:/log', origin: '/log', position: null, caughtUp: true, servers: [], ...source }],
    publishers: [],
    responders: [],
    counters: {},
    ...changes,
  }
}

/** Verdict and text of findings, a line each. */
export function told(findings: readonly { readonly verdict: string; readonly text: string }[]): string {
  return findings.map(({ verdict, text }) => `${verdict}: ${text}`).join('\n')
}

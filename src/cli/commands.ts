/** The list of commands: a name, one line for the overview, and the file that is loaded only when the command is called. */
import type { Command } from 'commander'
import type { CliContext, CommandWork } from './context.ts'

/** Wraps a command's work so that its exit code reaches the process. */
type Act = <Args extends unknown[]>(work: (...args: Args) => CommandWork) => (...args: Args) => Promise<void>

/** What each file in `cli/` exports: it adds arguments, options, help and the action to `command`. */
export type Configure = (command: Command, context: CliContext, act: Act) => void

/** A command before its file is loaded. */
export interface CommandEntry {
  readonly summary: string
  readonly load: () => Promise<Configure>
}

/** All commands in the order of the overview. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  run: { summary: 'watch the logs, keep the table, tell the MTA', load: async () => (await import('./run.ts')).run },
  status: { summary: 'how the daemon is doing', load: async () => (await import('./status.ts')).status },
  list: { summary: 'who may relay now', load: async () => (await import('./list.ts')).list },
  check: { summary: 'may this address relay now?', load: async () => (await import('./check.ts')).check },
  why: { summary: 'every fact behind that answer', load: async () => (await import('./why.ts')).why },
  allow: { summary: 'let an address relay for a time', load: async () => (await import('./allow.ts')).allow },
  block: { summary: 'open for no login of an address or user', load: async () => (await import('./block.ts')).block },
  revoke: { summary: 'void the logins so far', load: async () => (await import('./revoke.ts')).revoke },
  flush: { summary: 'void every login so far', load: async () => (await import('./flush.ts')).flush },
  prune: {
    summary: 'remove what has expired, also without a daemon',
    load: async () => (await import('./prune.ts')).prune,
  },
  rebuild: {
    summary: 'set a damaged table aside: the logs make a new one',
    load: async () => (await import('./rebuild.ts')).rebuild,
  },
  scan: { summary: 'print the logins in log files', load: async () => (await import('./scan.ts')).scan },
  explain: { summary: 'what popauthd makes of a log line', load: async () => (await import('./explain.ts')).explain },
  formats: {
    summary: 'the servers whose logs are understood',
    load: async () => (await import('./formats.ts')).formats,
  },
  doctor: {
    summary: 'look at this host: who could forge a login, what is in the way',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  setup: {
    summary: 'attach an MTA: the lines for its configuration and for popauthd.yaml',
    load: async () => (await import('./setup.ts')).setup,
  },
  config: { summary: 'check the configuration', load: async () => (await import('./config.ts')).config },
  import: { summary: 'take over the access.info of 2002', load: async () => (await import('./import.ts')).importInfo },
}

/** What `setup mta` makes of a host: what it saw, what stands in the way, and the steps, each with its reason. It changes nothing. */
import type { LoadedConfig } from '../config/load.ts'
import type { Accounts } from '../doctor/accounts.ts'
import type { Tools } from './tools.ts'

/** Something that keeps the recipe from working, with ways to mend it. Steps are not carried out while there is one. */
export interface Trouble {
  readonly text: string
  readonly mends: readonly string[]
}

/** A file and what it is to hold. */
export interface FileStep {
  readonly kind: 'file'
  readonly path: string
  readonly reason: string
  /** The lines of the recipe, as in docs; what people put in by hand. */
  readonly lines: string
  /** The text that is there; undefined: no such file. */
  readonly before: string | undefined
  /** The whole text that it becomes; undefined where that has to be done by hand (a trouble says why). */
  readonly after: string | undefined
}

/** A program that is run once, without a shell. */
export interface CommandStep {
  readonly kind: 'command'
  readonly command: readonly string[]
  readonly reason: string
  readonly done: boolean
}

/** Lines that only the operator can put where they belong. */
interface HandStep {
  readonly kind: 'hand'
  readonly path: string
  readonly reason: string
  readonly lines: string
  /** They stand there already. */
  readonly done: boolean
}

/** One thing to do. */
export type Step = FileStep | CommandStep | HandStep

/** Asks the MTA whether it takes its configuration, before or after the change: what it says against it, or undefined. */
export type Validation = (tools: Tools, stage: 'before' | 'after') => Promise<string | undefined>

/** The whole of it. */
export interface Plan {
  /** `postfix`. */
  readonly mta: string
  /** How popauthd is attached: `socketmap`. */
  readonly by: string
  /** What was found, a sentence each. */
  readonly seen: readonly string[]
  readonly troubles: readonly Trouble[]
  /** What the recipe does not do, and what is doubtful; nothing of it keeps the steps from being carried out. */
  readonly notes: readonly string[]
  readonly steps: readonly Step[]
  readonly validations: readonly Validation[]
  /** What the operator runs once the steps are done, in this order: a shell line each. */
  readonly afterwards: readonly string[]
  /** How to see that it works. */
  readonly checks: readonly string[]
}

/** What plans are made of. */
export interface SetupContext {
  readonly tools: Tools
  readonly accounts: Accounts
  readonly loaded: LoadedConfig
  /** Where the configuration is, or would be. */
  readonly configFile: string
  /** Who the daemon runs as; undefined where that user is not there. */
  readonly daemonUser: string | undefined
  /** The way that was asked for; undefined: the one in use, else the best. */
  readonly by: string | undefined
  /** Whether a service for `doctor mta` is wanted too, where the MTA needs one. */
  readonly withDoctor: boolean
}

/** An MTA that `setup` knows. */
export interface Mta {
  readonly name: string
  /** `Postfix`. */
  readonly title: string
  /** Ways to attach it, the best first. */
  readonly ways: readonly string[]
  /** Its page in docs. */
  readonly page: string
  plan(context: SetupContext): Promise<Plan>
}

/** True where nothing is left to do. */
export function isDone(step: Step): boolean {
  return step.kind !== 'file' ? step.done : step.after !== undefined && step.after === step.before
}

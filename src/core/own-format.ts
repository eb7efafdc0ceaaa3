/** A log format that the operator describes: what the configuration holds of it, already of the right kinds but not yet tried. */
import type { ClientAddress } from './client-address.ts'
import type { Service } from './login.ts'

/** A whole log line, and the login that must come out of it; null: none may. */
export interface OwnFormatSample {
  readonly line: string
  readonly expect: { readonly user: string; readonly ip: ClientAddress; readonly service: Service } | null
}

/** One entry of `formats`. */
export interface OwnFormat {
  readonly id: string
  readonly title: string
  /** Program names of the tag; a line of no other program counts. */
  readonly programs: readonly string[]
  /** Further names of the running program, as journald tells them: an interpreter, for instance. */
  readonly processes: readonly string[]
  /** systemd units in which the server runs as its own user. */
  readonly units: readonly string[]
  /** Each line of a login holds one of these. */
  readonly literals: readonly string[]
  /** Describes the whole message, from its first character to its last; RE2 syntax. */
  readonly pattern: string
  /** Where the pattern has no group `service`, or it took no part. */
  readonly service: Service | undefined
  /** Characters that user names may hold beside the usual ones. */
  readonly userCharacters: string
  readonly samples: readonly OwnFormatSample[]
}

/** Something wrong with a format. `at`: steps from the list of formats to the part that is wrong. */
export interface OwnFormatFault {
  readonly at: readonly (string | number)[]
  readonly text: string
}

/** The file of the operator's decisions: JSON with ISO 8601 times, small, replaced as a whole. Reads it strictly: doubt stops the start. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { parseClientAddress } from '../core/client-address.ts'
import type { Decision } from '../core/decision.ts'
import { reasonOf, TableError } from '../errors.ts'
import { writeFileAtomically } from '../lib/atomic-file.ts'

/** What the file says. */
export interface DecisionFile {
  readonly decisions: readonly Decision[]
  /** Logins of everybody at or before this time are void (flush). */
  readonly revokedAllMs?: number
}

const FILE_MODE = 0o640
const LARGEST_FILE = 64 * 1024 * 1024

const time = z.iso.datetime({ precision: 3 }).transform((text) => Date.parse(text))
const address = z.string().transform((text, context) => {
  const parsed = parseClientAddress(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not an IP address' })
  return z.NEVER
})
const kind = z.enum(['allow', 'block', 'revoke'])
const decision = z.union([
  z.strictObject({ kind, at: time, until: time.optional(), address }),
  z.strictObject({ kind, at: time, until: time.optional(), user: z.string() }),
])
const schema = z.strictObject({ version: z.literal(1), revoked_all_at: time.optional(), decisions: z.array(decision) })

/** @throws {TableError} for a file that is there but cannot be read or understood as a whole */
export function readDecisionFile(path: string): DecisionFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { decisions: [] }
    throw unreadable(path, reasonOf(error), error)
  }
  if (text.length > LARGEST_FILE) throw unreadable(path, 'it is far too large')
  const result = schema.safeParse(jsonOf(path, text))
  if (!result.success) {
    const issue = result.error.issues[0]
    throw unreadable(path, `${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  }
  const { decisions, revoked_all_at: revokedAllMs } = result.data
  return {
    decisions: decisions.map(({ at: atMs, until: untilMs, ...rest }) => ({
      ...rest,
      atMs,
      ...(untilMs === undefined ? {} : { untilMs }),
    })),
    ...(revokedAllMs === undefined ? {} : { revokedAllMs }),
  }
}

/** Resolves once the file is on disk. @throws {TableError} the old file then stands */
export async function writeDecisionFile(path: string, file: DecisionFile): Promise<void> {
  const iso = (atMs: number) => new Date(atMs).toISOString()
  const decisions = file.decisions.map(({ atMs, untilMs, kind: kindOf, ...subject }) => ({
    kind: kindOf,
    ...subject,
    at: iso(atMs),
    ...(untilMs === undefined ? {} : { until: iso(untilMs) }),
  }))
  const all = file.revokedAllMs === undefined ? {} : { revoked_all_at: iso(file.revokedAllMs) }
  try {
    await writeFileAtomically(path, `${JSON.stringify({ version: 1, ...all, decisions }, undefined, 2)}\n`, FILE_MODE)
  } catch (error) {
    throw new TableError(`cannot write the decisions to ${path}: ${reasonOf(error)}`, {
      mend: 'nothing was changed: make room, or give the directory to the user that popauthd runs as, and try again',
      cause: error,
    })
  }
}

function jsonOf(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable(path, 'it is not JSON', error)
  }
}

function unreadable(path: string, why: string, cause?: unknown): TableError {
  const isForbidden = (cause as NodeJS.ErrnoException | undefined)?.code === 'EACCES'
  return new TableError(`cannot read the decisions in ${path}: ${why}`, {
    mend: isForbidden
      ? 'run it as root or as the user that popauthd runs as; the file must belong to that user'
      : 'mend the file; or move it away, which forgets every allow, block and revoke, and decide them again',
    cause,
  })
}

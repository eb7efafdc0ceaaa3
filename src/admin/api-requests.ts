/** Reads requests of the control API: everything in them is checked here, once, before anything else sees it. */
import { z } from 'zod'
import { type ClientAddress, parseClientAddress } from '../core/client-address.ts'
import type { Login } from '../core/login.ts'
import { UsageError } from '../errors.ts'
import { type DecisionRequest, maxDecisionSeconds, maxLoginsPerRequest, maxUserLength } from './api-types.ts'

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const LONGEST_TIME = 40

const address = z.string().transform((text, context): ClientAddress => {
  const parsed = parseClientAddress(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'not an IP address' })
  return z.NEVER
})

const user = z
  .string()
  .min(1)
  .max(maxUserLength)
  .refine((text) => !CONTROL.test(text), 'holds a control character')

const time = z
  .string()
  .max(LONGEST_TIME)
  .refine((text) => Number.isSafeInteger(Date.parse(text)), 'not a time')

const forSeconds = z.number().int().min(1).max(maxDecisionSeconds).optional()

const decision = z.union([
  z.strictObject({ kind: z.enum(['allow', 'block', 'revoke']), address, forSeconds }),
  z.strictObject({ kind: z.enum(['allow', 'block', 'revoke']), user, forSeconds }),
])

const logins = z.strictObject({
  logins: z
    .array(
      z.strictObject({
        user,
        address,
        service: z.enum(['pop3', 'imap', 'any']),
        server: z.string().min(1).max(64),
        at: time,
      }),
    )
    .max(maxLoginsPerRequest),
})

/** A whole address. @throws {UsageError} */
export function readAddress(text: string | undefined): ClientAddress {
  return readWith(address, text, 'address')
}

/** A decision: a revoke has no end, and neither has the allow of a user. @throws {UsageError} */
export function readDecision(body: unknown): DecisionRequest {
  const read = readWith(decision, body, 'decision')
  if (read.kind === 'revoke' && read.forSeconds !== undefined)
    throw new UsageError('a revoke has no end: it voids the logins so far', { mend: 'block takes a time' })
  if (read.kind === 'allow' && 'user' in read && read.forSeconds !== undefined)
    throw new UsageError('an allow of a user has no end: it takes a block of that user back', {
      mend: 'leave the time out',
    })
  const { forSeconds: seconds, ...rest } = read
  return (seconds === undefined ? rest : { ...rest, forSeconds: seconds }) as DecisionRequest
}

/** Logins to take over. @throws {UsageError} */
export function readLogins(body: unknown): readonly Login[] {
  return readWith(logins, body, 'logins').logins.map(({ at, ...login }) => ({ ...login, atMs: Date.parse(at) }))
}

function readWith<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place = issue !== undefined && issue.path.length > 0 ? ` (${issue.path.map(String).join('.')})` : ''
  throw new UsageError(`the ${what} in the request is not valid${place}: ${issue?.message ?? 'unknown reason'}`)
}

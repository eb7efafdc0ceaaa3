/** From what a parser found to what the rest of the program works with. */
import type { Login, Logout } from '../core/login.ts'
import type { ParsedLogin, ParseResult, Parser } from './parser.ts'

type ParsedLogout = Extract<ParseResult, { kind: 'logout' }>

/** Written so that each shape of a login is made at once: this is done a million times a second. */
export function toLogin({ id: server }: Parser, parsed: ParsedLogin, atMs: number): Login {
  const { user, address, service, tls, session } = parsed
  if (session === undefined) {
    if (tls === undefined) return { user, address, service, server, atMs }
    return { user, address, service, server, atMs, tls }
  }
  if (tls === undefined) return { user, address, service, server, atMs, session }
  return { user, address, service, server, atMs, tls, session }
}

/** The end of a session at the time of its line. */
export function toLogout({ id: server }: Parser, parsed: ParsedLogout, atMs: number): Logout {
  const { user, service, address, session } = parsed
  if (address === undefined && session === undefined) return { user, service, server, atMs }
  if (address === undefined) return { user, service, server, atMs, session: session as string }
  return session === undefined
    ? { user, service, server, atMs, address }
    : { user, service, server, atMs, address, session }
}

/** From what a parser found to what the rest of the program works with. */
import type { Login, Logout } from '../core/login.ts'
import type { ParsedLogin, ParseResult, Parser } from './parser.ts'

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
export function toLogout(parser: Parser, parsed: Extract<ParseResult, { kind: 'logout' }>, atMs: number): Logout {
  const { kind: _, ...rest } = parsed
  return { ...rest, server: parser.id, atMs }
}

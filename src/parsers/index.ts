/** The list of parsers: a new server is one file and one line here. */
import { closest, distance } from 'fastest-levenshtein'
import { UsageError } from '../errors.ts'
import type { Parser } from './parser.ts'
import { axigen } from './servers/axigen.ts'
import { courier } from './servers/courier.ts'
import { cucipop } from './servers/cucipop.ts'
import { cyrus } from './servers/cyrus.ts'
import { dbmail } from './servers/dbmail.ts'
import { dovecot } from './servers/dovecot.ts'
import { exchange } from './servers/exchange.ts'
import { gnuPop3d } from './servers/gnu-pop3d.ts'
import { gromox } from './servers/gromox.ts'
import { hmailserver } from './servers/hmailserver.ts'
import { imapproxy } from './servers/imapproxy.ts'
import { mailenable } from './servers/mailenable.ts'
import { nginxMail } from './servers/nginx-mail.ts'
import { perdition } from './servers/perdition.ts'
import { popa3d } from './servers/popa3d.ts'
import { popper } from './servers/popper.ts'
import { qpopper } from './servers/qpopper.ts'
import { solidPop3d } from './servers/solid-pop3d.ts'
import { stalwart } from './servers/stalwart.ts'
import { teapop } from './servers/teapop.ts'
import { tpop3d } from './servers/tpop3d.ts'
import { uwImap } from './servers/uw-imap.ts'
import { vmPop3d } from './servers/vm-pop3d.ts'
import { vpopmail } from './servers/vpopmail.ts'
import { wildduck } from './servers/wildduck.ts'
import { xmail } from './servers/xmail.ts'
import { zimbra } from './servers/zimbra.ts'

/** Every parser, in the order in which `formats` lists them. */
export const parsers: readonly Parser[] = [
  dovecot,
  qpopper,
  uwImap,
  popa3d,
  axigen,
  courier,
  cucipop,
  cyrus,
  dbmail,
  exchange,
  gnuPop3d,
  gromox,
  hmailserver,
  imapproxy,
  mailenable,
  nginxMail,
  perdition,
  popper,
  solidPop3d,
  stalwart,
  teapop,
  tpop3d,
  vmPop3d,
  vpopmail,
  wildduck,
  xmail,
  zimbra,
]

/** The parser of this id, of `all`. @throws {UsageError} where there is none; it names the nearest. */
export function parserById(id: string, all: readonly Parser[] = parsers): Parser {
  const found = all.find((parser) => parser.id === id)
  if (found !== undefined) return found
  const ids = all.map((parser) => parser.id)
  const nearest = closest(id, ids)
  const hint = distance(id, nearest) <= Math.max(2, nearest.length / 2) ? `Did you mean ${nearest}? ` : ''
  throw new UsageError(`unknown log format ${JSON.stringify(id.slice(0, 40))}`, {
    mend: `${hint}Known formats: ${ids.join(', ')}`,
  })
}

/** The parsers of these ids, each once; all of them where `ids` is empty. `all`: those there are. @throws {UsageError} for an unknown id */
export function selectParsers(ids: readonly string[], all: readonly Parser[] = parsers): readonly Parser[] {
  return ids.length === 0 ? all : [...new Set(ids.map((id) => parserById(id, all)))]
}

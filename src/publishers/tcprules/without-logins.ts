/**
 * A cdb of an earlier run without RELAYCLIENT wherever a login may have put it, for when the operator's rules cannot be read and nobody knows what
 * they said: who may connect, and all other variables, stay.
 */
import type { Network } from '../../core/client-address.ts'
import { type CdbEntry, type CdbRecord, cdbFile, cdbRecords } from '../../lib/cdb.ts'
import { liesIn } from './keys.ts'

/** Undefined where nothing is to be taken out: tcpserver finds nothing in what is no cdb either. */
export function withoutLogins(
  earlier: Buffer | undefined,
  always: readonly Network[],
): AsyncIterable<Buffer> | undefined {
  if (earlier === undefined) return undefined
  for (const record of cdbRecords(earlier))
    if (shut(record, always) !== record.data) return cdbFile([shutEntries(earlier, always)])
  return undefined
}

function* shutEntries(earlier: Buffer, always: readonly Network[]): Generator<CdbEntry> {
  for (const record of cdbRecords(earlier)) yield { key: record.key, data: shut(record, always) }
}

function shut({ key, data }: CdbRecord, always: readonly Network[]): string {
  if (!data.includes('+RELAYCLIENT=') || !mayBeOurs(key, always)) return data
  const variables = data.split('\0')
  return variables.filter((variable) => !variable.startsWith('+RELAYCLIENT=')).join('\0')
}

/** popauthd writes whole addresses, networks of IPv6 and those of `always`. The rest is the operator's, and so is loopback: no login is ever from there. */
function mayBeOurs(key: string, always: readonly Network[]): boolean {
  if (/[=@]/.test(key)) return false
  if (key.includes(':')) return key !== '::1'
  if (/^\d+\.\d+\.\d+\.\d+$/.test(key)) return !key.startsWith('127.')
  return liesIn(key, always)
}

/**
 * User names as they are stored and compared: in small letters, and whole, unless an outsider made one so long that it would fill the table.
 * UW servers let `ALICE` in as alice and log what was typed: told apart, a blocked user came back by another spelling, and each had limits of its own.
 */
import { createHash } from 'node:crypto'

const LONGEST_USER = 256
const KEPT_CHARACTERS = 180

/** The name in small letters (ASCII only); one of more than 256 UTF-16 units as its first 180 and a hash of all of it. What it gave, it gives again. */
export function storedUser(user: string): string {
  const folded = user.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  if (folded.length <= LONGEST_USER) return wellFormed(folded)
  const hash = createHash('sha256').update(folded).digest('hex')
  return `${wellFormed(folded.slice(0, KEPT_CHARACTERS))}...${hash}`
}

/** Lone surrogates do not survive UTF-8: they become U+FFFD here, so that what is stored equals what is asked for. */
function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text
}

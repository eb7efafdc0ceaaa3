/** User names as they are stored: whole, unless an outsider made one so long that it would fill the table. */
import { createHash } from 'node:crypto'

const LONGEST_USER = 256
const KEPT_CHARACTERS = 200

/** The name itself; one of more than 256 UTF-16 units as its first 200 and a hash of all of it. The same name gives the same text. */
export function storedUser(user: string): string {
  if (user.length <= LONGEST_USER) return wellFormed(user)
  const hash = createHash('sha256').update(user).digest('base64url')
  return `${wellFormed(user.slice(0, KEPT_CHARACTERS))}...${hash}`
}

/** Lone surrogates do not survive UTF-8: they become U+FFFD here, so that what is stored equals what is asked for. */
function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text
}

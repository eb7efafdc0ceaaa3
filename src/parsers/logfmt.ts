/**
 * Pairs of `key=value` parted by blanks, as lib/logfmt.c of Cyrus IMAP writes them: a value with a blank or `=` stands in double quotes.
 * Left out: values with escapes (a backslash), which hold quotes, control characters or bytes beyond ASCII.
 */
import { type Cursor, charSet, charsExcept } from './cursor.ts'

const KEY = charSet('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-')
const BARE = charsExcept(' "=\\')
const QUOTED = charsExcept('"\\')
const LONGEST_KEY = 40
const LONGEST_VALUE = 600
const MOST_PAIRS = 24

/** A value without its quotes, and the index in the message where it starts. */
export interface LogfmtValue {
  readonly text: string
  readonly start: number
}

/**
 * Takes the pairs from the cursor to the end of the message, each key once; or tells why they are none, the cursor then standing where
 * that shows. No value can end before its own quote, so none can start a pair of its own.
 */
export function takePairs(cursor: Cursor): ReadonlyMap<string, LogfmtValue> | string {
  const pairs = new Map<string, LogfmtValue>()
  for (;;) {
    const start = cursor.at
    const key = cursor.take(KEY, LONGEST_KEY)
    if (key === undefined || !cursor.skip('=')) return 'not a key=value pair'
    if (pairs.has(key) || pairs.size === MOST_PAIRS) {
      cursor.at = start
      return pairs.has(key) ? `${key}= twice` : 'too many pairs'
    }
    const value = takeValue(cursor)
    if (value === undefined) return `no plain value of ${key}=`
    pairs.set(key, value)
    if (cursor.ended) return pairs
    if (!cursor.skip(' ')) return `the value of ${key}= does not end here`
  }
}

function takeValue(cursor: Cursor): LogfmtValue | undefined {
  if (cursor.skip('""')) return { text: '', start: cursor.at - 1 }
  const isQuoted = cursor.skip('"')
  const start = cursor.at
  const text = cursor.take(isQuoted ? QUOTED : BARE, LONGEST_VALUE)
  if (text === undefined || (isQuoted && !cursor.skip('"'))) return undefined
  return { text, start }
}

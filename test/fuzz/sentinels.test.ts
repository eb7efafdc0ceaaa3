/** Addresses that stand only where clients choose the text never come out; the genuine one does, or none, for whom it always did. */
import { describe, expect, it } from 'vitest'
import { parsers } from '../../src/parsers/index.ts'
import { rounds, SEED } from '../support/effort.ts'
import { type ClientField, clientFields } from './support/client-fields.ts'
import { addressSpans } from './support/origin.ts'
import { Random } from './support/random.ts'
import { logOf, type SampleLog, sampleLogs, scanLog } from './support/sample-logs.ts'

/** Not in any sample: who has one of these logged in from nowhere. */
const SENTINELS = ['203.0.113.199', '2001:db8:bad::199', '::ffff:203.0.113.199', '203.0.113.199:143', '[203.0.113.199]']
const IS_SENTINEL = /^(?:203\.0\.113\.199|2001:db8:bad::199)$/

/** A field of a sample: the line and the columns where a client's text stands. */
interface Place {
  readonly sample: SampleLog
  readonly field: ClientField
  readonly line: number
  readonly start: number
  readonly end: number
}

const places: readonly Place[] = sampleLogs.flatMap((sample) =>
  sample.lines.flatMap((text, line) =>
    (clientFields[sample.server] ?? []).flatMap((field) => {
      const indices = new RegExp(field.pattern, 'd').exec(text)?.indices?.[1]
      return indices === undefined ? [] : [{ sample, field, line, start: indices[0], end: indices[1] }]
    }),
  ),
)

/** What closes fields and opens others: all that stands in the lines of servers behind a client's text, around a sentinel. */
const pieces: readonly string[] = [
  ...SENTINELS,
  ...[
    'x',
    ' ',
    ', ',
    '"',
    "'",
    '<',
    '>',
    '[',
    ']',
    '(',
    ')',
    ';',
    ':',
    '=',
    '\t',
    '\r',
    '\0',
    '#012',
    '\\',
    '\\n',
    '\u2028',
    '@',
    '%',
  ],
  ...[
    'user=<x>',
    'rip=',
    'ip=',
    'host=',
    'client: ',
    ' from ',
    'session=<',
    'lip=192.0.2.1',
    'TLS',
    'method=PLAIN',
    'status="ok"',
  ],
  ...places.flatMap(({ sample, line, start, end }) => {
    const text = sample.lines[line] as string
    return SENTINELS.slice(0, 2).flatMap((ip) => [
      withAddress(text, ip),
      withAddress(text.slice(end), ip),
      withAddress(text.slice(0, start), ip),
    ])
  }),
].filter((piece, index, all) => piece !== '' && all.indexOf(piece) === index)

/** The text with every address in it replaced. */
function withAddress(text: string, ip: string): string {
  return text.replace(/(?:\d{1,3}\.){3}\d{1,3}|2001:db8:[0-9a-f:]+/g, ip)
}

function hostileText(random: Random): string {
  const text = Array.from({ length: 1 + random.below(6) }, () => random.pick(pieces)).join('')
  return random.chance(0.02) ? 'a'.repeat(random.below(1200)) + text : text
}

/** The sample with this text in that place. */
function fill({ sample, field, line, start, end }: Place, hostile: string): Buffer {
  const escaped = (field.escape ?? ((text: string) => text))(hostile.replaceAll('\n', ' '))
  const inEnvelope = sample.format === 'lines' ? escaped : JSON.stringify(escaped).slice(1, -1)
  const text = sample.lines[line] as string
  return logOf({ lines: sample.lines.with(line, text.slice(0, start) + inEnvelope + text.slice(end)) })
}

/** What is wrong with what comes out of a sample with hostile text in this place. */
function trouble(place: Place, hostile: string): string | undefined {
  const { expect: wanted } = place.sample
  for (const { address, user } of scanLog(fill(place, hostile), place.sample.format).logins) {
    if (IS_SENTINEL.test(address)) return `${address} came out, which the client wrote`
    if (wanted === null) continue
    if (address !== wanted.ip) return `${address} came out instead of ${wanted.ip}`
    if (place.field.isUser === undefined && user !== wanted.user) return `${user} came out instead of ${wanted.user}`
  }
  return undefined
}

describe('the fields that clients choose', () => {
  it.each(parsers.map(({ id }) => id))('of %s stand in its samples', (id) => {
    expect(clientFields[id]?.length).toBeGreaterThan(0)
    const unused = clientFields[id]?.filter((field) => !places.some((place) => place.field === field))
    expect(unused).toEqual([])
    expect(places.some(({ sample, field }) => sample.server === id && sample.expect !== null && field.isUser)).toBe(
      true,
    )
  })

  it('are not where the genuine address stands', () => {
    const wrong = places.filter(({ sample, line, start, end }) => {
      const { lines, expect: wanted } = sample
      const text = lines[line] as string
      const others = lines.with(line, `${text.slice(0, start)} ${text.slice(end)}`).join('\n')
      return wanted !== null && addressSpans(text, wanted.ip).length > 0 && addressSpans(others, wanted.ip).length === 0
    })
    expect(wrong).toEqual([])
  })
})

it('lets no address come out that a client wrote', () => {
  const random = new Random(SEED)
  for (const round of rounds('sentinels', 25_000, 0.2)) {
    const place = random.pick(places)
    const hostile = hostileText(random)
    const found = trouble(place, hostile)
    if (found === undefined) continue
    const least = leastText(hostile, (some) => trouble(place, some) !== undefined)
    expect.fail(
      `round ${round} of seed ${SEED}, ${place.sample.server}: ${trouble(place, least)}\n` +
        `${place.field.pattern} is ${JSON.stringify(least)}\n${fill(place, least)}`,
    )
  }
})

/** The shortest of the texts made by cutting pieces out of `text` for which `isFinding` still holds. */
function leastText(text: string, isFinding: (text: string) => boolean): string {
  let least = text
  for (let size = text.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= least.length; ) {
      const shorter = least.slice(0, at) + least.slice(at + size)
      if (isFinding(shorter)) least = shorter
      else at += size
    }
  }
  return least
}

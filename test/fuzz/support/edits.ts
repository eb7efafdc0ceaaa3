/** Random edits of bytes that remember where each byte came from, and their reduction to what matters. */
import type { Random } from './random.ts'

/** At byte `at`, `remove` bytes go and those of `insert` come. Offsets beyond the end count as the end. */
export interface Edit {
  readonly at: number
  readonly remove: number
  readonly insert: Buffer
}

/** Bytes after edits; `origins` holds for each the offset that it had before, or -1 where it was inserted. */
export interface Edited {
  readonly bytes: Buffer
  readonly origins: readonly number[]
}

/** Bytes that mean something to some grammar, terminal, decoder or envelope. */
const SPECIAL = Buffer.from(' ,;:.%=<>[](){}\'"`\\/|-+*#@\t\r\n\0\x1b\x7f\x0b0179aAxX', 'latin1')
const BROKEN = [
  [0x80],
  [0xff],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xe2, 0x80, 0xa8],
  [0xc2, 0x85],
  [0xef, 0xbb, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
].map((codes) => Buffer.from(codes))
const TEXTS = ['#012', '\\n', '\\"', '::ffff:', '0x', '%eth0', '::', '255', '\r\n'].map((text) => Buffer.from(text))

/** Up to five edits of a log of `bytes`; `fragments` are texts without line ends that may be put in. */
export function randomEdits(random: Random, bytes: Buffer, fragments: readonly Buffer[]): Edit[] {
  const count = random.chance(0.6) ? 1 : 1 + random.below(5)
  return Array.from({ length: count }, () => randomEdit(random, bytes, fragments))
}

function randomEdit(random: Random, bytes: Buffer, fragments: readonly Buffer[]): Edit {
  const at = random.below(bytes.length + 1)
  const few = 1 + random.below(random.chance(0.7) ? 3 : 60)
  const byte = bytes[at] ?? 0
  switch (random.below(11)) {
    case 0:
      return { at, remove: 1, insert: Buffer.of(byte ^ (1 << random.below(8))) }
    case 1:
      return { at, remove: 1, insert: Buffer.of(random.below(256)) }
    case 2:
      return { at, remove: 1, insert: Buffer.of(random.pick([...SPECIAL])) }
    case 3:
      return { at, remove: 0, insert: Buffer.of(random.pick([...SPECIAL])) }
    case 4:
      return { at, remove: random.below(2), insert: random.pick(BROKEN) }
    case 5:
      return { at, remove: 0, insert: random.pick(TEXTS) }
    case 6:
      return { at, remove: few, insert: Buffer.alloc(0) }
    case 7:
      return { at, remove: bytes.length, insert: Buffer.alloc(0) }
    case 8: {
      const from = random.below(bytes.length)
      return { at, remove: 0, insert: withoutLineEnds(bytes.subarray(from, from + few)) }
    }
    case 9:
      return { at, remove: 0, insert: Buffer.alloc(random.chance(0.02) ? 20_000 : 1 + random.below(300), byte || 32) }
    default: {
      const fragment = random.pick(fragments)
      const from = random.below(fragment.length)
      return { at, remove: random.chance(0.5) ? 0 : few, insert: fragment.subarray(from, from + few) }
    }
  }
}

function withoutLineEnds(bytes: Buffer): Buffer {
  return bytes.includes(10) ? Buffer.from(bytes.filter((byte) => byte !== 10)) : bytes
}

/** `original` after these edits, one by one. */
export function applyEdits(original: Buffer, edits: readonly Edit[]): Edited {
  let bytes = [...original]
  let origins = bytes.map((_, index) => index)
  for (const { at, remove, insert } of edits) {
    const end = at + remove
    bytes = [...bytes.slice(0, at), ...insert, ...bytes.slice(end)]
    origins = [...origins.slice(0, at), ...Array.from(insert, () => -1), ...origins.slice(end)]
  }
  return { bytes: Buffer.from(bytes), origins }
}

/** The fewest and smallest of `edits` with which `isFinding` still holds. */
export function leastEdits(edits: readonly Edit[], isFinding: (edits: readonly Edit[]) => boolean): readonly Edit[] {
  let least = edits
  for (let changed = true; changed; ) {
    changed = false
    for (const smaller of smallerEdits(least)) {
      if (!isFinding(smaller)) continue
      least = smaller
      changed = true
      break
    }
  }
  return least
}

function* smallerEdits(edits: readonly Edit[]): Generator<readonly Edit[]> {
  for (let i = 0; i < edits.length; i++) yield edits.toSpliced(i, 1)
  for (const [i, { at, remove, insert }] of edits.entries()) {
    const half = insert.length >> 1
    if (half > 0) {
      yield edits.with(i, { at, remove, insert: insert.subarray(half) })
      yield edits.with(i, { at, remove, insert: insert.subarray(0, insert.length - half) })
    }
    if (remove > 1) yield edits.with(i, { at, remove: remove >> 1, insert })
  }
}

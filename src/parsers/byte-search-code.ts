/**
 * The machine code of the byte search: a WebAssembly module of two functions, put together from named instructions (WebAssembly Core
 * Specification 2.0, with 128-bit vectors), because Buffer.indexOf looks at one byte at a time.
 */

const I32 = 0x7f
const V128 = 0x7b
const NO_RESULT = 0x40

const get = (local: number) => [0x20, local]
const set = (local: number) => [0x21, local]
const constant = (value: number) => [0x41, ...signedLeb(value)]
const load8 = [0x2d, 0, 0]
const loadVector = (offset = 0) => [0xfd, 0x00, 0, ...unsignedLeb(offset)]
const splat = [0xfd, 0x0f]
const equalBytes = [0xfd, 0x23]
const andVectors = [0xfd, 0x4e]
const orVectors = [0xfd, 0x50]
const anyTrue = [0xfd, 0x53]
const bitmask = [0xfd, 0x64]
const add = 0x6a
const subtract = 0x6b
const and = 0x71
const shiftLeft = 0x74
const trailingZeros = 0x68
const onesCount = 0x69
const isZero = 0x45
const isNotEqual = 0x47
const isGreater = 0x4a
const isLess = 0x48
const block = [0x02, NO_RESULT]
const loop = [0x03, NO_RESULT]
const branch = (depth: number) => [0x0c, depth]
const branchIf = (depth: number) => [0x0d, depth]
const leave = 0x0f
const end = 0x0b

type Code = readonly (number | Code)[]

/** Bytes that the functions may read behind `end`. */
export const OVERRUN_BYTES = 128

/**
 * `find(at, end, needle, length, rareA, rareB)`: the first place in [at, end) where the `length` bytes at `needle` stand, or -1. Only
 * where the bytes number rareA and rareB of the needle both fit is the rest compared. Looks at 64 places at once.
 */
function findCode(): Code {
  const [at, stop, needle, length, rareA, rareB, mask, place, i, vectorA, vectorB] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ] as const
  const fits = (offset: number) => [
    [get(at), get(rareA), add, loadVector(offset), get(vectorA), equalBytes],
    [get(at), get(rareB), add, loadVector(offset), get(vectorB), equalBytes, andVectors],
  ]
  const advance = (bytes: number) => [get(at), constant(bytes), add, set(at)]
  const compare = [
    [get(at), get(mask), trailingZeros, add, set(place)],
    [get(place), get(stop), isGreater, [0x04, NO_RESULT], constant(-1), leave, end],
    [constant(0), set(i)],
    // Byte after byte, until one differs (then on to the next place) or all are equal.
    [block, loop],
    [get(place), get(i), add, load8, get(needle), get(i), add, load8, isNotEqual, branchIf(1)],
    [get(i), constant(1), add, set(i), get(i), get(length), isLess, branchIf(0)],
    [get(place), leave, end, end],
    [get(mask), get(mask), constant(1), subtract, and, set(mask)],
  ]
  return [
    [get(stop), get(length), subtract, set(stop)],
    [get(needle), get(rareA), add, load8, splat, set(vectorA)],
    [get(needle), get(rareB), add, load8, splat, set(vectorB)],
    [block, loop, get(at), get(stop), isGreater, branchIf(1)],
    // 64 places without a fit: the usual case.
    [block, fits(0), fits(16), orVectors, fits(32), fits(48), orVectors, orVectors, anyTrue, branchIf(0)],
    [advance(64), branch(1), end],
    // 16 places, one after the other.
    [fits(0), bitmask, set(mask)],
    [block, loop, get(mask), isZero, branchIf(1), compare, branch(0), end, end],
    [advance(16), branch(0), end, end],
    constant(-1),
  ]
}

/** `count(at, end)`: how many line feeds stand in [at, end). */
function countCode(): Code {
  const [at, stop, total, mask, vector] = [0, 1, 2, 3, 4] as const
  return [
    [constant(10), splat, set(vector)],
    [block, loop, get(at), get(stop), isLess, isZero, branchIf(1)],
    [get(at), loadVector(), get(vector), equalBytes, bitmask, set(mask)],
    // Of the last 16 bytes only those before the end.
    [get(stop), get(at), subtract, constant(16), isLess, [0x04, NO_RESULT]],
    [get(mask), constant(1), get(stop), get(at), subtract, shiftLeft, constant(1), subtract, and, set(mask), end],
    [get(mask), onesCount, get(total), add, set(total)],
    [get(at), constant(16), add, set(at), branch(0), end, end],
    get(total),
  ]
}

/** The module: it takes its memory as `env.memory` and gives `find` and `count`. */
export function searchModuleBytes(): Uint8Array<ArrayBuffer> {
  const types = [
    [0x60, vector([I32, I32, I32, I32, I32, I32]), vector([I32])],
    [0x60, vector([I32, I32]), vector([I32])],
  ]
  const find = functionBody(
    [
      [3, I32],
      [2, V128],
    ],
    findCode(),
  )
  const count = functionBody(
    [
      [2, I32],
      [1, V128],
    ],
    countCode(),
  )
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [2, ...types.flat(2)]),
    ...section(2, [1, ...name('env'), ...name('memory'), 0x02, 0x00, 0x01]),
    ...section(3, [2, 0, 1]),
    ...section(7, [2, ...name('find'), 0x00, 0, ...name('count'), 0x00, 1]),
    ...section(10, [2, ...find, ...count]),
  ])
}

function functionBody(locals: readonly (readonly [number, number])[], code: Code): number[] {
  const body = [locals.length, ...locals.flat(), ...(code.flat(9) as number[]), end]
  return [...unsignedLeb(body.length), ...body]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsignedLeb(content.length), ...content]
}

function vector(items: readonly number[]): number[] {
  return [items.length, ...items]
}

function name(text: string): number[] {
  return vector([...Buffer.from(text)])
}

function unsignedLeb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsignedLeb(value >>> 7)]
}

function signedLeb(value: number): number[] {
  const low = value & 0x7f
  const rest = value >> 7
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return isLast ? [low] : [low | 0x80, ...signedLeb(rest)]
}

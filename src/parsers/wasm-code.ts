/**
 * Words for WebAssembly code, so that a function of it reads like one of any language (WebAssembly Core Specification 2.0, with 128-bit
 * vectors). Operands come first in the code; here they stand in the brackets behind the operation.
 */

/** Instructions, in order; nested as they were put together. */
export type Code = readonly (number | Code)[]

export const I32 = 0x7f
export const I64 = 0x7e
export const V128 = 0x7b
const NO_RESULT = 0x40

const unary =
  (...code: number[]) =>
  (operand: Code): Code => [operand, code]
const binary =
  (...code: number[]) =>
  (left: Code, right: Code): Code => [left, right, code]

/** 32-bit integers. Addresses are such. `offset` is added to an address, in bytes. */
export const i32 = {
  const: (value: number): Code => [0x41, signedLeb(value)],
  load: (address: Code, offset = 0): Code => [address, 0x28, 0, unsignedLeb(offset)],
  load8: (address: Code, offset = 0): Code => [address, 0x2d, 0, unsignedLeb(offset)],
  load16: (address: Code, offset = 0): Code => [address, 0x2f, 0, unsignedLeb(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 0, unsignedLeb(offset)],
  isZero: unary(0x45),
  equal: binary(0x46),
  differ: binary(0x47),
  isLess: binary(0x48),
  isGreater: binary(0x4a),
  isAtLeast: binary(0x4e),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  shiftRight: binary(0x76),
  of64: unary(0xa7),
}

/** 64-bit integers: here always one bit for each of 64 bytes. */
export const i64 = {
  const: (value: number): Code => [0x42, signedLeb(value)],
  isZero: unary(0x50),
  differ: binary(0x52),
  trailingZeros: unary(0x7a),
  countOnes: unary(0x7b),
  sub: binary(0x7d),
  and: binary(0x83),
  or: binary(0x84),
  shiftLeft: binary(0x86),
  of32: unary(0xad),
}

/** Vectors of 16 bytes. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, 0xfd, 0x00, 0, unsignedLeb(offset)],
  /** 16 times the same byte. */
  splat: unary(0xfd, 0x0f),
  /** Of each byte of `indexes`, the byte of `table` with that number. */
  lookUp: (table: Code, indexes: Code): Code => [table, indexes, 0xfd, 0x0e],
  equal: binary(0xfd, 0x23),
  differ: binary(0xfd, 0x24),
  and: binary(0xfd, 0x4e),
  or: binary(0xfd, 0x50),
  isAnySet: unary(0xfd, 0x53),
  /** The highest bit of each byte. */
  bits: unary(0xfd, 0x64),
  subBytes: binary(0xfd, 0x71),
  /** Sums of neighbors: 16 bytes to 8 numbers of two bytes, 8 of these to 4 of four. */
  addPairs8: unary(0xfd, 0x7d),
  addPairs16: unary(0xfd, 0x7f),
  lane32: (vector: Code, lane: number): Code => [vector, 0xfd, 0x1b, lane],
  shiftBytesRight: binary(0xfd, 0x6d),
}

/** Code that `leave(0)` inside leaves behind it. A block in a block counts from the inner one. */
export const block = (...body: Code[]): Code => [0x02, NO_RESULT, body, 0x0b]
/** Code that `leave(0)` inside begins again; what reaches its end goes on behind it. */
export const loop = (...body: Code[]): Code => [0x03, NO_RESULT, body, 0x0b]
export const when = (condition: Code, ...body: Code[]): Code => [condition, 0x04, NO_RESULT, body, 0x0b]
/** `depth`: how many enclosing blocks, loops and whens lie between. */
export const leave = (depth: number): Code => [0x0c, depth]
export const leaveIf = (depth: number, condition: Code): Code => [condition, 0x0d, depth]
export const giveBack = (value: Code): Code => [value, 0x0f]
export const set = (variable: Code, value: Code): Code => [value, 0x21, (variable as readonly number[])[1] as number]

/** Parameters and variables of a function by name; each may be used as an operand. */
export class Variables<Name extends string> {
  readonly types: readonly number[]
  readonly #names: readonly Name[]

  constructor(types: Readonly<Record<Name, number>>) {
    this.#names = Object.keys(types) as Name[]
    this.types = Object.values(types)
  }

  get all(): Readonly<Record<Name, Code>> {
    return Object.fromEntries(this.#names.map((name, index) => [name, [0x20, index]])) as unknown as Record<Name, Code>
  }
}

/** What goes into a module: one function, exported as `name`, whose first `parameters` variables are given by its caller and are i32. */
interface ModuleFunction {
  readonly name: string
  readonly parameters: number
  readonly variables: readonly number[]
  /** Leaves one i32. */
  readonly body: Code
}

/** A module with one function and the memory `env.memory`, which threads may share where `sharedPages` (its largest size) is given. */
export function moduleOf({ name, parameters, variables, body }: ModuleFunction, sharedPages?: number) {
  const type = [0x60, ...list(variables.slice(0, parameters)), ...list([I32])]
  const locals = variables.slice(parameters).flatMap((each) => [1, each])
  const code = [...unsignedLeb(variables.length - parameters), ...locals, ...flatten(body), 0x0b]
  const limits = sharedPages === undefined ? [0x00, 0x01] : [0x03, 0x01, ...unsignedLeb(sharedPages)]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, ...type]),
    ...section(2, [1, ...text('env'), ...text('memory'), 0x02, ...limits]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text(name), 0x00, 0]),
    ...section(10, [1, ...list(code)]),
  ])
}

function flatten(code: Code, all: number[] = []): number[] {
  for (const each of code) {
    if (typeof each === 'number') all.push(each)
    else flatten(each, all)
  }
  return all
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...list(content)]
}

function list(items: readonly number[]): number[] {
  return [...unsignedLeb(items.length), ...items]
}

function text(content: string): number[] {
  return list([...Buffer.from(content)])
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

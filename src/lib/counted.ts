/** Numbers with their noun. */

/** `1 line`, `2 lines`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

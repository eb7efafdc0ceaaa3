/** Amounts of bytes for people. */

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** `812 bytes`, `28 KiB`, `1.5 GiB`: rounded down, one decimal below ten of a unit. */
export function formatBytes(bytes: number): string {
  let unit = 0
  let amount = Math.max(0, bytes)
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024
    unit++
  }
  const text = unit > 0 && amount < 10 ? String(Math.floor(amount * 10) / 10) : String(Math.floor(amount))
  return `${text} ${amount === 1 && unit === 0 ? 'byte' : UNITS[unit]}`
}

/** Shared by fuzz and torture: their options. */

const MOST_MINUTES = 10_000

/** The minutes that `--minutes` names; ends the process with exit code 2 where it names none. */
export function minutesOf(text) {
  return number('--minutes', text, (value) => value > 0 && value <= MOST_MINUTES)
}

/** The seed that `--seed` names, a number of 31 bits; ends the process with exit code 2 where it names none. */
export function seedOf(text) {
  return number('--seed', text, (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31)
}

function number(name, text, isAllowed) {
  const value = Number(text)
  if (isAllowed(value)) return value
  console.error(`popauthd: ${name} cannot be ${JSON.stringify(text)}`)
  process.exit(2)
}

/** The text of main.cf (postconf(5), "The main.cf file format"): where a parameter stands, and the text with another value of it. */

/** A parameter in the text: its lines from `start` to `end`, and what it says, with line ends as blanks. */
export interface Parameter {
  readonly start: number
  readonly end: number
  readonly value: string
  /** True where a comment or an empty line stands between its lines. */
  readonly isInterrupted: boolean
}

/** All places that set `name`; Postfix heeds the last one. */
export function parametersIn(text: string, name: string): readonly Parameter[] {
  const found: Parameter[] = []
  const lines = [...text.matchAll(/[^\n]*\n|[^\n]+$/g)].map((match) => ({ at: match.index, text: match[0] }))
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i] as { at: number; text: string }
    const [, set, value = ''] = /^([A-Za-z0-9_]+)\s*=(.*)/.exec(first.text) ?? []
    if (set !== name) continue
    const { values, last, isInterrupted } = continuation(
      lines.map((line) => line.text),
      i,
    )
    const end = lines[last] as { at: number; text: string }
    found.push({
      start: first.at,
      end: end.at + end.text.length,
      value: [value, ...values].join(' ').trim(),
      isInterrupted,
    })
  }
  return found
}

/** What the lines after `first` add: those that begin with a blank. Comments and empty lines among them count for nothing. */
function continuation(lines: readonly string[], first: number) {
  const values: string[] = []
  let last = first
  for (let i = first + 1; i < lines.length; i++) {
    const line = lines[i] as string
    if (/^\s*(#|$)/.test(line)) continue
    if (!/^\s/.test(line)) break
    values.push(line.trim())
    last = i
  }
  return { values, last, isInterrupted: values.length < last - first }
}

/** `text` with `lines` (whole lines that set the parameter) in place of the one that is there, or at the end. */
export function withParameter(text: string, there: Parameter | undefined, lines: string): string {
  if (there !== undefined) return text.slice(0, there.start) + lines + text.slice(there.end)
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines}`
}

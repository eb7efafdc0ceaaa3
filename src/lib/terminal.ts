/** What an output stream can show: colors only on a terminal, and never where NO_COLOR is set (no-color.org). */
import picocolors from 'picocolors'

/** The part of a stream that decides how to write to it. */
export interface TerminalLike {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** Functions that color a text, or return it as it is. */
export type Colors = ReturnType<typeof picocolors.createColors>

type Environment = Readonly<Record<string, string | undefined>>

/** True where colors may be written to `stream`. */
export function wantsColor(stream: TerminalLike, env: Environment): boolean {
  const refused = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  return stream.isTTY === true && !refused && env.TERM !== 'dumb'
}

/** The colors for `stream`. */
export function colorsFor(stream: TerminalLike, env: Environment): Colors {
  return picocolors.createColors(wantsColor(stream, env))
}

/** Columns of the terminal; 80 where it is none or does not say. */
export function widthOf(stream: TerminalLike): number {
  return stream.columns !== undefined && stream.columns > 0 ? stream.columns : 80
}

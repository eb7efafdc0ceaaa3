/** A host for the tests of `setup` and `doctor mta`: programs and files that are made up. */
import type { ToolResult, Tools } from './tools.ts'

/** What a program says to a command line; a text is what it prints. Undefined: there is no such program. */
type FakePrograms = Readonly<Record<string, string | Partial<ToolResult>>>

/** Answers command lines (`postconf -m`, with variables `NAME=value` in front; what is run with another's rights is noted as `UID:GID`) and reads files as given; the first that a command line begins with counts. */
export function fakeTools(
  programs: FakePrograms,
  files: Readonly<Record<string, string>> = {},
): Tools & { ran: string[]; ranAs: string[] } {
  const ran: string[] = []
  const ranAs: string[] = []
  return {
    ran,
    ranAs,
    run: async (command, { env = {}, as } = {}) => {
      const line = [...Object.entries(env).map((pair) => pair.join('=')), ...command].join(' ')
      ran.push(line)
      if (as !== undefined) ranAs.push(`${as.uid}:${as.gid} ${line}`)
      const name = Object.keys(programs).find((start) => line === start || line.startsWith(`${start} `))
      const said = name === undefined ? undefined : programs[name]
      if (said === undefined) return undefined
      return { code: 0, stdout: '', stderr: '', ...(typeof said === 'string' ? { stdout: said } : said) }
    },
    read: async (path) => files[path],
    stat: async () => undefined,
    isThere: async (path) => path in files,
  }
}

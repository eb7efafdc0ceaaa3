/** The programs that the scan benchmark compares, and how each is checked. */
import { join } from 'node:path'
import type { Contender } from './contenders.ts'
import { fail2ban } from './fail2ban.ts'
import { copyStart, countHits } from './log-files.ts'
import { expectCount, PROGRAM } from './measure.ts'
import { DOVECOT_LITERAL, type ServerId } from './mixed-lines.ts'
import type { MixedLog } from './mixed-log.ts'

const PERL = `while (<>) { if (/dovecot(?:\\[\\d+\\])?: (?:pop3|imap)-login: Login: user=<([^>]*)>, .*?rip=([0-9a-f.:]+),/) { print "$1 $2\\n" } }`

/** `popauthd scan` on a log, with the servers named or all; the logins of each server must be as many as the log holds. */
export function popauthdScan(name: string, log: MixedLog, servers: readonly ServerId[] = []): Contender {
  const formats = servers.length === 0 ? [] : ['--format', servers.join(',')]
  const wanted = (id: string) => servers.length === 0 || servers.includes(id as ServerId)
  return {
    name,
    command: [process.execPath, PROGRAM, 'scan', '--json', ...formats, log.path],
    log,
    check: (output) => {
      let all = 0
      for (const [id, inLog] of Object.entries(log.logins)) {
        const count = wanted(id) ? inLog : 0
        expectCount(occurrences(output, `"server":"${id}"`), count, `logins of ${id}`)
        all += count
      }
      expectCount(occurrences(output, '\n'), all, 'logins')
    },
  }
}

/** Counts the lines with Dovecot's literal. */
export function grepOne(log: MixedLog): Contender {
  return {
    name: 'LC_ALL=C grep -c, one literal',
    command: ['grep', '-c', DOVECOT_LITERAL, log.path],
    env: { LC_ALL: 'C' },
    log,
    check: (output) => expectCount(Number(output), log.logins.dovecot, 'lines'),
  }
}

/** `grep` or a program like it. `hits`: the lines that hold one of the strings in the file `literals`. More than logins: failed logins hold some too. */
export function grepLiterals(
  name: string,
  program: readonly string[],
  literals: string,
  log: MixedLog,
  hits: number,
): Contender {
  return {
    name,
    command: [...program, '-cF', '-f', literals, log.path],
    env: { LC_ALL: 'C' },
    log,
    check: (output) => expectCount(Number(output), hits, 'lines'),
  }
}

/** Prints user and address of Dovecot's logins. */
export function perl(log: MixedLog): Contender {
  return {
    name: 'Perl, a pattern on each line',
    command: ['perl', '-e', PERL, log.path],
    log,
    check: (output) => expectCount(occurrences(output, '\n'), log.logins.dovecot, 'logins'),
  }
}

/** On the start of the log, copied into `directory`; none where there is no fail2ban. */
export async function fail2banOf(directory: string, log: MixedLog, sliceBytes: number): Promise<Contender[]> {
  const tool = await fail2ban()
  if (tool === undefined) return []
  const slice = join(directory, 'slice.log')
  const bytes = await copyStart(log.path, slice, sliceBytes)
  const wanted = await countHits(slice, [DOVECOT_LITERAL])
  const check = (output: Buffer) =>
    expectCount(Number(/(\d+) matched/.exec(output.toString('latin1'))?.[1]), wanted, 'logins')
  return [{ name: 'fail2ban-regex', ...tool(slice), log, bytes, check }]
}

/** How often `text` stands in `bytes`. */
function occurrences(bytes: Buffer, text: string): number {
  let found = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) found++
  return found
}

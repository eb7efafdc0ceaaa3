/** `popauthd import`: takes over the access.info of the POPauthd of 2002. */
import { readFile, stat } from 'node:fs/promises'
import type { ImportAnswer } from '../admin/api-types.ts'
import type { Login } from '../core/login.ts'
import { MapBehindError, PopauthdError, reasonOf } from '../errors.ts'
import { escapeForTerminal } from '../lib/escape.ts'
import { LineClock } from '../parsers/line-time.ts'
import { type InfoEntry, parseInfo } from '../publishers/sendmail-access/format.ts'
import type { Configure } from './commands.ts'
import { counted, print, printJson } from './output.ts'
import { withTarget } from './target.ts'

const EXAMPLES = `
Each line is "date <tab> user <tab> address <tab> Unix time". The date is that of the login; the Unix time is when the
old daemon read it, so it only settles the year. Logins older than the window, refused networks and
limits open nothing, as ever. Importing twice changes nothing.

Examples:
  popauthd import /etc/mail/access.info
  popauthd import access.info --timezone America/New_York`

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WHICH_FILE =
  'name the access.info that the POPauthd of 2002 kept: it lies beside its access map, often /etc/mail/access.info'
const LARGEST_FILE = 256 * 1024 * 1024
/** So that a request of the most logins is never too long. */
const LONGEST_USER = 256
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
/** Refusals that are told one by one. */
const MOST_TOLD = 20

/** Defines `import`. */
export const importInfo: Configure = (command, context, act) => {
  command
    .argument('<file>', 'an access.info')
    .option('--timezone <zone>', 'zone of its dates, such as Europe/Berlin', 'local')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (file: string, options: { timezone: string; json?: boolean }) => {
        const { entries, refused: unreadable } = parseInfo(await readInfo(file))
        const logins = loginsOf(entries, options.timezone)
        const notUnderstood = unreadable + entries.length - logins.length
        if (logins.length === 0 && notUnderstood > 0) throw notAnInfo(file, notUnderstood)
        const tell = async (answer: ImportAnswer) => {
          const result = { ...answer, unreadable: notUnderstood }
          await (options.json ? printJson(context, result) : print(context, resultText(result)))
        }
        try {
          await tell(await withTarget(context, 'write', (target) => target.importLogins(logins)))
        } catch (error) {
          if (error instanceof MapBehindError) await tell(error.answer as ImportAnswer)
          throw error
        }
      }),
    )
}

async function readInfo(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > LARGEST_FILE) throw new PopauthdError(`cannot import ${file}: it is larger than ${LARGEST_FILE} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof PopauthdError) throw error
    const mend = MENDS[String((error as NodeJS.ErrnoException).code)]
    throw new PopauthdError(`cannot read ${file}: ${reasonOf(error)}`, { cause: error, ...(mend && { mend }) })
  }
}

/** What to do where the file cannot be read, by the code of the system. */
const MENDS: Readonly<Record<string, string>> = {
  ENOENT: WHICH_FILE,
  EISDIR: WHICH_FILE,
  EACCES: 'run it as a user who may read the file',
}

function notAnInfo(file: string, lines: number): PopauthdError {
  const none = lines === 1 ? 'its one line is not' : `none of its ${lines} lines is`
  const why = `${none} "date <tab> user <tab> address <tab> Unix time"`
  return new PopauthdError(`cannot import ${file}: it is not an access.info: ${why}`, { mend: WHICH_FILE })
}

/**
 * The logins of the entries, oldest first. One whose date fits no year near its Unix time is left out, and one with a name that no server
 * logs: the old daemon took down what outsiders wrote, and one such line must not hold up the rest.
 */
export function loginsOf(entries: readonly InfoEntry[], timezone: string): Login[] {
  const clock = new LineClock({ timezone })
  return entries
    .filter(({ user }) => user.length <= LONGEST_USER && !CONTROL.test(user))
    .map((entry) => ({ entry, atMs: loginTime(entry, clock) }))
    .filter((dated): dated is { entry: InfoEntry; atMs: number } => dated.atMs !== undefined)
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ entry: { user, address }, atMs }) => ({ user, address, service: 'pop3', server: 'access.info', atMs }))
}

/** The newest time that the date can stand for and that is not after the reading. */
function loginTime({ date, unixSeconds }: InfoEntry, clock: LineClock): number | undefined {
  const [, name = '', day, hour, minute, second] = /^(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d)$/.exec(date) ?? []
  const numbers = {
    month: MONTHS.indexOf(name) + 1,
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
  }
  const inRange = numbers.month > 0 && numbers.day >= 1 && numbers.day <= 31 && numbers.hour < 24 && numbers.minute < 60
  if (!inRange || numbers.second > 60) return undefined
  return clock.toMs({ kind: 'civil', ...numbers, millisecond: 0 }, unixSeconds * 1000)
}

function resultText({ admitted, stale, refused, unreadable }: ImportAnswer & { unreadable: number }): string {
  const told = refused
    .slice(0, MOST_TOLD)
    .map(({ user, address, detail }) => `refused: ${escapeForTerminal(`${address} (${user}): ${detail}`)}\n`)
  const more = refused.length > MOST_TOLD ? `refused: ${refused.length - MOST_TOLD} more\n` : ''
  return `${admitted} taken over, ${stale} too old, ${refused.length} refused, ${counted(unreadable, 'line')} not understood\n${told.join('')}${more}`
}

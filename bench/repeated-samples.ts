/** The parsers' samples of logins, repeated as a log would: with other users and other addresses each time, where that can be done. */
import type { Login } from '../src/core/login.ts'
import type { Parser } from '../src/parsers/parser.ts'
import { type ParserSample, parserSamples } from '../src/parsers/samples.ts'
import type { LoginScanner } from '../src/parsers/scanner.ts'

/** Behind the times of all samples. */
export const NEWEST_MS = Date.UTC(2026, 10, 23)

/** One sample many times over, with the logins that must come out of it. */
export interface RepeatedSample {
  readonly chunk: Buffer
  readonly format: ParserSample['format']
  readonly lines: number
  readonly logins: number
}

/** A sample that gives a login. */
export type LoginSample = ParserSample & { readonly expect: NonNullable<ParserSample['expect']> }

/** What is varied from one time to the next. */
const VARIATIONS = [
  { users: true, addresses: true },
  { users: false, addresses: true },
  { users: true, addresses: false },
  { users: false, addresses: false },
] as const

/** All login samples of a parser: those of plain logs, or of the journal where there are no others. */
export function loginSamples({ id }: Parser): readonly LoginSample[] {
  const all = parserSamples(id).filter((sample): sample is LoginSample => sample.expect !== null)
  const plain = all.filter(({ format }) => format === 'lines')
  return plain.length > 0 ? plain : all
}

/** The one login that `formats` shows of a parser, as it is most often written. @throws {Error} where `scanner` finds none */
export function usualSample(scanner: LoginScanner, { id, sample: lines }: Parser): LoginSample {
  const chunk = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const [login] = loginsIn(scanner, chunk, 'lines')
  if (login === undefined) throw new Error(`the sample of ${id} gives no login`)
  const { user, address: ip, service } = login
  return { lines, format: 'lines', expect: { user, ip, service }, comment: id }
}

/** The samples, about `lines` lines of them. Each is scanned by `scanner`, which must find every login. @throws {Error} where it does not */
export function repeatSamples(
  scanner: LoginScanner,
  samples: readonly LoginSample[],
  lines: number,
): readonly RepeatedSample[] {
  const linesOnce = samples.reduce((sum, sample) => sum + sample.lines.length, 0)
  const times = Math.ceil(lines / linesOnce)
  return samples.map((sample) => repeat(scanner, sample, times))
}

function repeat(scanner: LoginScanner, sample: LoginSample, times: number): RepeatedSample {
  for (const variation of VARIATIONS) {
    const varied = Array.from({ length: times }, (_, n) => vary(sample, n, variation))
    const chunk = Buffer.from(varied.flatMap((one) => one.lines.map((line) => `${line}\n`)).join(''))
    const found = loginsIn(scanner, chunk, sample.format)
    const isFound = ({ expect }: LoginSample, i: number) =>
      found[i]?.user === expect.user && found[i]?.address === expect.ip
    if (found.length !== times || !varied.every(isFound)) continue
    return { chunk, format: sample.format, lines: times * sample.lines.length, logins: times }
  }
  throw new Error(`this sample does not give a login each time it is repeated: ${sample.lines.join(' | ')}`)
}

function loginsIn(scanner: LoginScanner, chunk: Buffer, format: ParserSample['format']): readonly Login[] {
  const logins: Login[] = []
  scanner.restore(null)
  scanner.scan(chunk, { format, newestMs: NEWEST_MS }, { login: (login) => logins.push(login), rejected: () => {} })
  return logins
}

/** The sample as it would be of another user, from another address. What comes of that is not always a login: who calls must look. */
function vary(sample: LoginSample, n: number, { users, addresses }: (typeof VARIATIONS)[number]): LoginSample {
  const { user, ip } = sample.expect
  const otherUser = users ? user.replace(/^[^@]*/, (name) => `${name}${n % 97}`) : user
  const otherIp = addresses ? ip.replace(/[^.:]*$/, String(1 + (n % 251))) : ip
  return {
    ...sample,
    lines: sample.lines.map((line) => line.replaceAll(user, otherUser).replaceAll(ip, otherIp)),
    expect: { ...sample.expect, user: otherUser, ip: otherIp },
  }
}

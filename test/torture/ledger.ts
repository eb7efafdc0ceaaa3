// What was written into one log: logins of known content, and noise that must open nothing. The oracle reads it, the daemon never.
import type { Random } from '../fuzz/support/random.ts'
import { syslogDate } from '../support/popauthd.ts'

/** A login that was written. Of a server that needs two lines, `bodies` has both. */
export interface WrittenLogin {
  readonly user: string
  readonly address: string
  /** The time of its line, Unix milliseconds, as exact as the line says it. */
  readonly atMs: number
  /** What its lines hold behind the header: each is unique, but for the first of two. */
  readonly bodies: readonly string[]
}

/** How lines begin: `rfc3164` as sent to a syslog daemon, `traditional` and `iso` as it writes them. */
export type HeaderFormat = 'rfc3164' | 'traditional' | 'iso'

/** Addresses of noise: none of them may ever be open. */
const NOISE_NETWORK = '192.88.99.'
/** IPv4 addresses for each lane; later ones are IPv6. */
const V4_PER_LANE = 16_000

/** Makes up the lines of one lane. */
export class Ledger {
  readonly logins: WrittenLogin[] = []
  readonly #lane: number
  readonly #random: Random
  readonly #format: HeaderFormat
  #addresses = 0
  #noise = 0

  constructor(lane: number, format: HeaderFormat, random: Random) {
    this.#lane = lane
    this.#format = format
    this.#random = random
  }

  /** The next few lines without LF: mostly one, sometimes two that belong together. */
  next(): string[] {
    if (this.#random.chance(0.3)) return [this.#noiseLine()]
    const isRepeated = this.logins.length > 0 && this.#random.chance(0.1)
    const { user, address } = isRepeated ? this.#random.pick(this.logins) : this.#client()
    return this.#random.chance(0.2) ? this.#twoLines(user, address) : this.#oneLine(user, address)
  }

  #client(): { user: string; address: string } {
    const n = this.#addresses++
    const v4 = this.#lane * V4_PER_LANE + n / 2
    const address =
      n % 2 === 0 && n / 2 < V4_PER_LANE
        ? `198.${18 + (v4 >> 16)}.${(v4 >> 8) & 255}.${v4 & 255}`
        : `2001:db8:${(this.#lane * 256 + (n >> 15) + 1).toString(16)}::${((n & 0x7fff) + 1).toString(16)}`
    return { user: `u${this.#lane}-${n}`, address }
  }

  #oneLine(user: string, address: string): string[] {
    const session = `${this.#lane}.${this.logins.length}`
    const body = this.#random.chance(0.5)
      ? `dovecot: imap-login: Login: user=<${user}>, method=PLAIN, rip=${address}, lip=192.0.2.25, mpid=4242, TLS, session=<${session}>`
      : `dovecot: pop3-login: Login: user=<${user}>, method=PLAIN, rip=${address}, lip=192.0.2.25, mpid=4243, session=<${session}>`
    return this.#record(user, address, [body])
  }

  /** popa3d tells address and user in two lines; the process id joins them. */
  #twoLines(user: string, address: string): string[] {
    const tag = `popa3d[${this.#lane + 1}${this.logins.length}]`
    return this.#record(user, address, [`${tag}: Session from ${address}`, `${tag}: Authentication passed for ${user}`])
  }

  #record(user: string, address: string, bodies: readonly string[]): string[] {
    const nowMs = Date.now()
    const atMs = this.#format === 'iso' ? nowMs : Math.floor(nowMs / 1000) * 1000
    this.logins.push({ user, address, atMs, bodies })
    return bodies.map((body) => this.#header(atMs) + body)
  }

  #noiseLine(): string {
    const address = `${NOISE_NETWORK}${this.#noise++ % 250}`
    const body = this.#random.pick([
      `dovecot: imap-login: Disconnected: Inactivity (no auth attempts in 180 secs): user=<>, rip=${address}, lip=192.0.2.25`,
      `dovecot: pop3-login: Aborted login (auth failed, 3 attempts): user=<bob>, method=PLAIN, rip=${address}, lip=192.0.2.25`,
      `dovecot: imap(bob)<1>: Logged out in=1 out=2 rip=${address}`,
      `postfix/smtpd[99]: NOQUEUE: reject: RCPT from x[${address}]: imap-login: Login: user=<a>, method=PLAIN, rip=${address}, lip=192.0.2.25`,
      `dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=${address}`,
      `popa3d[7]: Authentication failed for bob from ${address}`,
      `sshd[5]: Accepted password for root from ${address} ${'.'.repeat(this.#random.below(300))}`,
      'kernel:',
    ])
    return this.#header(Date.now()) + body
  }

  #header(atMs: number): string {
    if (this.#format === 'iso') return `${new Date(atMs).toISOString()} mx `
    return `${this.#format === 'rfc3164' ? '<22>' : ''}${syslogDate(atMs)} mx `
  }
}

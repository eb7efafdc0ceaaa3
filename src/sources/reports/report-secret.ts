/** The secret that proves a report to be Dovecot's: read from a file that nobody else may read, compared in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { reasonOf, SourceError } from '../../errors.ts'

/** Shorter secrets could be tried out. */
const SHORTEST = 16
const LONGEST = 256
/** What needs no escape in a URL (RFC 3986, unreserved), where Dovecot's exporter has it. */
const ALLOWED = /^[A-Za-z0-9._~-]+$/

/** A secret that never shows: it is kept as a hash. */
export class ReportSecret {
  readonly #hash: Buffer

  constructor(secret: string) {
    this.#hash = hashOf(secret)
  }

  /**
   * Reads the first line of the file. @throws {SourceError} where it is missing, others than owner and group may read it, others than its owner
   * may write it, or it holds no secret
   */
  static async read(path: string): Promise<ReportSecret> {
    const text = await readPrivate(path)
    const secret = text.replace(/\r?\n$/, '')
    if (secret.length < SHORTEST || secret.length > LONGEST || !ALLOWED.test(secret)) {
      throw new SourceError(
        `${path} holds no secret: one line of ${SHORTEST} to ${LONGEST} letters, digits and ._~- is expected`,
        { mend: howToMake(path) },
      )
    }
    return new ReportSecret(secret)
  }

  /** True where a request carries it: `Authorization: Bearer SECRET`, the password of `Authorization: Basic`, or `X-API-Key: SECRET`. */
  isIn(headers: { readonly authorization: string | undefined; readonly apiKey: string | undefined }): boolean {
    return [headers.apiKey, bearer(headers.authorization), basicPassword(headers.authorization)].some(
      (one) => one !== undefined && timingSafeEqual(hashOf(one), this.#hash),
    )
  }
}

const READABLE = 'make it readable for the user popauthd runs as (root:popauthd, mode 0640)'

function howToMake(path: string): string {
  return `make one: (umask 027; openssl rand -hex 24 > ${path}), and give it the group of popauthd`
}

async function readPrivate(path: string): Promise<string> {
  const failed = (why: string, mend?: string, cause?: unknown) =>
    new SourceError(`cannot use the secret in ${path}: ${why}`, {
      ...(mend === undefined ? {} : { mend }),
      ...(cause === undefined ? {} : { cause }),
    })
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { mode, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw failed('it is no ordinary file')
    if ((mode & 0o027) !== 0) {
      const text = `0${(mode & 0o7777).toString(8)}`
      throw failed(`its mode is ${text}, so that others may read or change it`, `chmod 0640 ${path}`)
    }
    if (size > LONGEST + 2) throw failed('it is too long to be one')
    return await file.readFile('latin1')
  } catch (error) {
    if (error instanceof SourceError) throw error
    const mend = (error as NodeJS.ErrnoException).code === 'ENOENT' ? howToMake(path) : READABLE
    throw failed(reasonOf(error), mend, error)
  }
}

function bearer(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
}

/** The user name before the colon is of no account. */
function basicPassword(header: string | undefined): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('latin1')
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : undefined
}

/** Equal lengths for the comparison, whatever was sent. */
function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

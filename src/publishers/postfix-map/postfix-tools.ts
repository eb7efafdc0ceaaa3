/**
 * Postfix's own tools for its tables: postmap(1) and postconf(1). What was found on 3.7.11: any user may run them who can read main.cf;
 * postmap writes nowhere but to the table. `-i -r` takes a key that is there already; `-d -` ends with 1, silently, where it found no key.
 */
import { PublishError } from '../../errors.ts'
import { outputOf, runTool } from '../run-tool.ts'

/** Types that popauthd can keep in step, with the suffix of their files. */
export const SUFFIXES = { lmdb: '.lmdb', cdb: '.cdb', hash: '.db', btree: '.db' } as const

/** The type of a Postfix table. */
export type PostfixMapType = keyof typeof SUFFIXES

const WHEN_MISSING = 'install Postfix on this host, or set command of this map to where postmap is'
const SET_TYPE = 'set map_type of this map to a type that postconf -m lists: lmdb or cdb'

/** The tools of one Postfix. Methods throw {PublishError} as runTool does. */
export class PostfixTools {
  readonly #postmap: readonly string[]
  readonly #postconf: readonly string[] | undefined

  /** `command`: postmap with options, such as `-c` for another Postfix; postconf is taken from beside it. */
  constructor(command: readonly string[]) {
    this.#postmap = command
    const at = command.findIndex((part) => /(^|\/)postmap$/.test(part))
    this.#postconf = at < 0 ? undefined : command.with(at, (command[at] as string).replace(/postmap$/, 'postconf'))
  }

  /** What `postconf -h default_database_type` says. @throws {PublishError} also where popauthd cannot keep that type in step */
  async defaultType(signal: AbortSignal): Promise<PostfixMapType> {
    if (this.#postconf === undefined)
      throw notRetryable(`cannot tell Postfix's default map type: ${this.#postmap[0]} is not postmap`)
    const said = (
      await outputOf([...this.#postconf, '-h', 'default_database_type'], signal, { whenMissing: WHEN_MISSING })
    ).trim()
    if (Object.hasOwn(SUFFIXES, said)) return said as PostfixMapType
    throw notRetryable(
      `cannot keep a Postfix map of type ${JSON.stringify(said)} in step, the default of the installed Postfix`,
    )
  }

  /** @throws {PublishError} where the installed Postfix has no tables of this type */
  async require(type: PostfixMapType, signal: AbortSignal): Promise<void> {
    if (this.#postconf === undefined) return
    const types = (await outputOf([...this.#postconf, '-m'], signal, { whenMissing: WHEN_MISSING })).split(/\s+/)
    if (types.includes(type)) return
    throw new PublishError(`the installed Postfix has no ${type} maps (postconf -m does not list them)`, {
      retryable: true,
      mend: `install what adds them (Debian: postfix-${type}), or ${SET_TYPE}`,
    })
  }

  /** Makes the table `textPath` + suffix anew from the text at `textPath`. */
  build(type: PostfixMapType, textPath: string, signal: AbortSignal): Promise<void> {
    return runTool([...this.#postmap, `${type}:${textPath}`], '', signal, { whenMissing: WHEN_MISSING })
  }

  /** Adds entries, each a line of key and value; those that are there are replaced. */
  insert(type: PostfixMapType, basePath: string, lines: string, signal: AbortSignal): Promise<void> {
    return runTool([...this.#postmap, '-i', '-r', `${type}:${basePath}`], lines, signal, { whenMissing: WHEN_MISSING })
  }

  /** Removes keys, each on a line; those that are not there do no harm. */
  remove(type: PostfixMapType, basePath: string, lines: string, signal: AbortSignal): Promise<void> {
    const isHarmless = (status: number | string, said: string) => status === 1 && said === ''
    const command = [...this.#postmap, '-d', '-', `${type}:${basePath}`]
    return runTool(command, lines, signal, { whenMissing: WHEN_MISSING, isHarmless })
  }
}

function notRetryable(message: string): PublishError {
  return new PublishError(message, { retryable: false, mend: SET_TYPE })
}

/** Closing what has left the configuration, as a supervisor runs it: tried again with its backoff, and shown where it fails. */
import { PublishError } from '../../errors.ts'
import type { Publisher, WholeTable } from '../publisher.ts'
import type { Notice } from '../say-always.ts'
import type { FormerMaps } from './former-maps.ts'

/** What it needs besides the maps. */
interface FormerMapsPublisherOptions {
  readonly notice: Notice
  /** Called when some were closed: should they have shared anything with a map that is kept, that one is made anew. */
  readonly onClosed: () => void
}

/** All former maps as one copy, of which nobody is ever part. */
export class FormerMapsPublisher implements Publisher {
  readonly name = 'maps no longer configured'
  readonly needs = 'membership'
  readonly #maps: Pick<FormerMaps, 'close'>
  readonly #options: FormerMapsPublisherOptions

  constructor(maps: Pick<FormerMaps, 'close'>, options: FormerMapsPublisherOptions) {
    this.#maps = maps
    this.#options = options
  }

  setAlways(): void {}

  publish(_changes: unknown, _all: WholeTable, signal: AbortSignal): Promise<void> {
    return this.closeAll(signal)
  }

  resync(_all: WholeTable, signal: AbortSignal): Promise<void> {
    return this.closeAll(signal)
  }

  async closeAll(signal: AbortSignal): Promise<void> {
    const results = await this.#maps.close(signal)
    const closed = results.filter(({ problem }) => problem === undefined)
    for (const { name } of closed) this.#options.notice('a map that is no longer configured was closed', { map: name })
    if (closed.length > 0) this.#options.onClosed()
    const failed = results.filter(({ problem }) => problem !== undefined)
    if (failed.length === 0) return
    const each = failed.map(({ name, problem }) => `${name} may still let in whom it last held: ${problem}`)
    throw new PublishError(each.join('; '), { retryable: true })
  }

  /** Nothing is held between the calls. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

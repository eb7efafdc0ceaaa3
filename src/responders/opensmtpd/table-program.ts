/**
 * Between smtpd and popauthd: answers smtpd's table protocol, whatever becomes of popauthd. Smtpd asks one question at a time, does nothing else
 * while it waits, and ends for good where its table program ends, is silent, or says what it cannot parse.
 */
import type { Clock } from '../../lib/clock.ts'
import {
  LineCutter,
  type Outcome,
  outcomeOf,
  parseRequest,
  REGISTERED,
  replyLine,
  requestLine,
  settledOutcome,
  type TableRequest,
} from './table-lines.ts'

/** popauthd answers from memory, in well under a millisecond; smtpd stands still while it is waited for. */
export const ANSWER_WITHIN_MS = 1000
/** While popauthd hangs nobody waits for it; so often a new connection is tried. */
export const HUNG_RETRY_MS = 60_000
/** Questions that wait at a time; smtpd has one. */
const MOST_WAITING = 1000

/** A connection to popauthd, or one that is coming about. */
export interface Link {
  write(text: string): void
  close(): void
}

/** What becomes of a link. Nothing is called before {@link TableProgramOptions.connect} has returned, nor after `closed`. */
export interface LinkEvents {
  received(text: string): void
  /** `reason`: why no connection came about; undefined for the end of one. */
  closed(reason: string | undefined): void
}

/** What the program needs. */
export interface TableProgramOptions {
  readonly clock: Clock
  readonly connect: (events: LinkEvents) => Link
  /** Says something to smtpd: whole lines, Latin-1. */
  readonly say: (text: string) => void
  /** popauthd's socket, for smtpd's log. */
  readonly place: string
}

interface Question {
  readonly request: TableRequest
  readonly cancel: () => void
  /** Asked on a second connection already, as the first one broke. */
  isRepeated: boolean
}

/** Each request that can be told from others gets exactly one reply, at once or within {@link ANSWER_WITHIN_MS}. */
export class TableProgram {
  readonly #options: TableProgramOptions
  readonly #fromSmtpd = new LineCutter()
  /** By a number of our own: a late answer is never taken for that to another question. */
  readonly #questions = new Map<string, Question>()
  #lastNumber = 0
  #link: Link | undefined
  /** Since when (elapsed milliseconds) a question has been open on the link for too long. */
  #hungSinceMs: number | undefined
  #isEnding = false

  constructor(options: TableProgramOptions) {
    this.#options = { ...options, place: options.place.replace(/[^\x20-\x7e]/g, '?').slice(0, 120) }
  }

  /** Takes what smtpd said. */
  receive(text: string): void {
    for (const line of this.#fromSmtpd.push(text)) {
      if (line === 'config|ready') this.#options.say(REGISTERED)
      const request = parseRequest(line)
      if (request === undefined) continue
      const outcome = settledOutcome(request) ?? this.#obstacle()
      if (outcome !== undefined) this.#reply(request, outcome)
      else this.#ask(request)
    }
  }

  /** smtpd says no more: closes the connection once what it asked is answered. */
  end(): void {
    this.#isEnding = true
    this.#closeAtEnd()
  }

  #closeAtEnd(): void {
    if (this.#isEnding && this.#questions.size === 0) this.#drop()
  }

  #reply(request: TableRequest, outcome: Outcome): void {
    this.#options.say(replyLine(request, outcome))
  }

  /** Why popauthd is not asked now. */
  #obstacle(): Outcome | undefined {
    if (this.#questions.size >= MOST_WAITING) return 'error|too many questions at a time'
    if (this.#hungSinceMs === undefined) return undefined
    if (this.#options.clock.elapsedMs() - this.#hungSinceMs < HUNG_RETRY_MS) return this.#silence()
    this.#drop()
    return undefined
  }

  #silence(): Outcome {
    return `error|popauthd does not answer at ${this.#options.place}`
  }

  #ask(request: TableRequest): void {
    const number = String(++this.#lastNumber)
    const cancel = this.#options.clock.setTimer(ANSWER_WITHIN_MS, () => {
      this.#hungSinceMs ??= this.#options.clock.elapsedMs()
      this.#settle(number, this.#silence())
    })
    const question = { request, cancel, isRepeated: false }
    this.#questions.set(number, question)
    this.#send(number, question)
  }

  #send(number: string, { request }: Question): void {
    this.#link ??= this.#connect()
    this.#link.write(requestLine({ ...request, id: number }))
  }

  #connect(): Link {
    const lines = new LineCutter()
    const link: Link = this.#options.connect({
      received: (text) => {
        if (this.#link === link) for (const line of lines.push(text)) this.#take(line)
      },
      closed: (reason) => {
        if (this.#link === link) this.#lost(reason)
      },
    })
    return link
  }

  /** A line of popauthd. It lives: what it says to a question that was given up is not needed any more. */
  #take(line: string): void {
    this.#hungSinceMs = undefined
    const [kind, number = '', ...rest] = line.split('|')
    const question = this.#questions.get(number)
    if (question === undefined) return
    const outcome = kind === `${question.request.operation}-result` && outcomeOf(question.request, rest.join('|'))
    this.#settle(number, outcome || `error|not understood at ${this.#options.place}: is it popauthd's?`)
  }

  #settle(number: string, outcome: Outcome): void {
    const question = this.#questions.get(number)
    if (question === undefined) return
    question.cancel()
    this.#questions.delete(number)
    this.#reply(question.request, outcome)
    this.#closeAtEnd()
  }

  /** Where a connection broke the question may have come too late for it: it is asked once more, within the time that it has. */
  #lost(reason: string | undefined): void {
    this.#link = undefined
    this.#hungSinceMs = undefined
    const { place } = this.#options
    for (const [number, question] of [...this.#questions]) {
      if (reason !== undefined) this.#settle(number, `error|cannot reach popauthd at ${place}: ${reason}`)
      else if (question.isRepeated) this.#settle(number, `error|popauthd closed the connection at ${place}`)
      else {
        question.isRepeated = true
        this.#send(number, question)
      }
    }
  }

  #drop(): void {
    this.#link?.close()
    this.#link = undefined
    this.#hungSinceMs = undefined
  }
}

/** `doctor mta postfix`: the restrictions as they are in force, the socket, the map (postmap -q), and a dialog as a foreign client (XCLIENT). */
import { isAbsolute, join } from 'node:path'
import { isIPv4Address, networkContains, parseNetwork } from '../../core/client-address.ts'
import { reasonOf } from '../../errors.ts'
import { lookAtPostfix, mainService, type PostfixFound, RECIPIENTS, RELAY } from '../../setup/postfix/look.ts'
import { wordsOf } from '../../setup/postfix/restrictions.ts'
import { DOCTOR_SERVICE } from '../../setup/recipes/postfix.ts'
import { reacherOf } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { agreement } from './agreement.ts'
import { judge, type MtaHost, RECIPIENT, type Subject, type Verdict } from './judge.ts'
import { type TableRead, tableAnswers, tableFindings, tablesRead } from './postfix-tables.ts'
import { openSmtpDialog, type SmtpAnswer, type SmtpDialog, type SmtpPlace } from './smtp-dialog.ts'
import { socketFor } from './socket-for.ts'

const SETUP = 'popauthd setup mta postfix prints the lines, and --write puts them in; then: postfix reload'

/** What asks popauthd in a list of restrictions. */
interface Question {
  readonly kind: 'socketmap' | 'policy'
  /** As it stands there. */
  readonly text: string
  /** Place in the words of the list. */
  readonly at: number
  /** The socket as this host names it; undefined: a port. */
  readonly socket: string | undefined
}

/** All findings about Postfix. */
export async function examinePostfix(mta: MtaHost): Promise<Finding[]> {
  const { ok, problem } = findingsOf('Postfix', 'postconf')
  const found = await lookAtPostfix(mta.tools, mta.host.accounts)
  if (found === undefined) return [problem('is not installed here', 'run this on the mail host, as root')]
  if (typeof found === 'string') return [problem(found)]
  const jail = mainService(found)?.chroot === true
  const questions = questionsIn(found.parameters[RELAY] ?? '', found).concat(
    questionsIn(found.parameters[RECIPIENTS] ?? '', found),
  )
  const tables = tablesRead(found, mta.host.config)
  return [
    ok(`${found.version}, smtpd ${jail ? `in its chroot ${found.queueDirectory}` : 'not chrooted'}`),
    ...recipeFindings(found, questions, tables, mta),
    ...tableFindings(tables, found, mta.host.config),
    ...portFindings(found, tables),
    ...networkFindings(found, mta.subjects),
    ...(await Promise.all(questions.map((question) => socketFinding(question, found, mta)))).flat(),
    ...(await mapFindings(questions, mta)),
    ...(await tableAnswers(tables, mta)),
    ...(await dialogFindings(found, mta)),
  ]
}

/** What in a list asks a socket map or a policy service that may be popauthd's. */
function questionsIn(value: string, found: PostfixFound): Question[] {
  const words = wordsOf(value)
  return words.flatMap((word, at): Question[] => {
    const argument = words[at + 1] ?? ''
    const [, type = '', place = ''] =
      word === 'check_client_access'
        ? (/^(?:proxy:)?socketmap:(unix|inet):(.+):postfix$/.exec(argument) ?? [])
        : word === 'check_policy_service'
          ? (/^(?:\{\s*)?(unix|inet):([^\s,}]+)/.exec(argument) ?? [])
          : []
    if (type === '') return []
    const kind = word === 'check_client_access' ? 'socketmap' : 'policy'
    const socket = type === 'unix' ? onHost(place, found, argument.startsWith('proxy:')) : undefined
    return [{ kind, text: `${word} ${argument}`, at, socket }]
  })
}

/** A relative path starts at the queue directory; an absolute one too, inside of the chroot. proxymap has none. */
function onHost(path: string, found: PostfixFound, isProxied: boolean): string {
  if (!isAbsolute(path)) return join(found.queueDirectory, path)
  return mainService(found)?.chroot === true && !isProxied ? join(found.queueDirectory, path) : path
}

function ours(questions: readonly Question[], { host }: MtaHost): Question[] {
  const { lookups } = host.config
  return questions.filter(({ kind, socket }) =>
    lookups.some(({ protocol, at }) => protocol === kind && ('path' in at ? at.path === socket : socket === undefined)),
  )
}

function recipeFindings(
  found: PostfixFound,
  questions: readonly Question[],
  tables: readonly TableRead[],
  mta: MtaHost,
): Finding[] {
  const { ok, warning, problem } = findingsOf('recipe', RELAY)
  const words = wordsOf(found.parameters[RELAY] ?? '')
  const mine = ours(questions, mta)
  const relay = ours(questionsIn(found.parameters[RELAY] ?? '', found), mta)[0]
  const refusal = words.findIndex((word) => /^(reject|defer)(_unauth_destination)?$/.test(word))
  const permit = words.indexOf('permit')
  if (permit >= 0 && (refusal < 0 || permit < refusal))
    return [problem('has "permit" in front of what refuses: OPEN RELAY', `take it out of ${RELAY}`)]
  const table = tables.find(({ place }) => place === RELAY || place === RECIPIENTS)
  if (mine.length === 0 && table !== undefined)
    return [
      table.place === RELAY && refusal >= 0 && refusal < table.at
        ? problem(`reads the table that popauthd keeps (${table.path}) behind what refuses: it is never reached`, SETUP)
        : ok(`reads the table that popauthd keeps: ${table.type}:${table.path}`),
    ]
  if (mine.length === 0) return [notAsked(questions, mta)]
  if (relay === undefined) return [ok(`${RECIPIENTS} asks popauthd: ${mine[0]?.text}`)]
  if (refusal >= 0 && refusal < relay.at)
    return [problem(`"${words[refusal]}" stands in front of what asks popauthd, which is never reached`, SETUP)]
  const own = words.indexOf('permit_auth_destination')
  return own >= 0 && own < relay.at
    ? [ok(`asks popauthd about relaying: ${relay.text}`)]
    : [
        warning(
          'asks popauthd in front of permit_auth_destination: while popauthd is away mail to your own domains is put off too',
          'put permit_auth_destination in front of it',
        ),
      ]
}

function notAsked(questions: readonly Question[], { host }: MtaHost): Finding {
  const { problem } = findingsOf('recipe', RELAY)
  const [question] = questions
  const sockets = host.config.lookups.flatMap(({ at }) => ('path' in at ? [at.path] : []))
  if (question === undefined) return problem('does not ask popauthd: no login lets anybody relay', SETUP)
  const known =
    sockets.length === 0 ? 'the configuration of popauthd has no lookups' : `popauthd answers at ${sockets.join(', ')}`
  return problem(`asks at ${question.socket ?? 'a port'}, and ${known}`, 'name the same socket in both', SETUP)
}

/** Services with restrictions of their own. */
function portFindings(found: PostfixFound, tables: readonly TableRead[]): Finding[] {
  const main = mainService(found)
  return found.overrides.map(({ service, parameter, value }) => {
    const { ok, problem } = findingsOf('port', service)
    const isMain = main !== undefined && service === `${main.name}/${main.type}`
    const words = wordsOf(value)
    const reads = tables.some(({ place }) => place === `${service}/${parameter}`)
    const asks = reads || questionsIn(value, found).length > 0
    if (asks && !words.some((word) => /^(reject|defer)(_unauth_destination)?$/.test(word)))
      return problem(
        `its ${parameter} does not end with a refusal: OPEN RELAY`,
        'add reject_unauth_destination at its end',
      )
    if (asks) return ok(`asks popauthd, in a ${parameter} of its own`)
    return isMain
      ? problem(
          `has a ${parameter} of its own in master.cf (${value}): main.cf does not count there`,
          'take that -o line out, or put the recipe there',
        )
      : ok(`has a ${parameter} of its own (${value}): the recipe does not hold there, a login does not help there`)
  })
}

function networkFindings({ parameters }: PostfixFound, subjects: readonly Subject[]): Finding[] {
  const stranger = subjects.find(({ authorized, isNamed }) => !authorized && !isNamed)
  const words = wordsOf(parameters.mynetworks ?? '')
  const { problem } = findingsOf('recipe', 'mynetworks')
  const wide = words.find((word) => {
    const network = parseNetwork(word.replace(/^\[(.*)\]/, '$1'))
    return network !== undefined && stranger !== undefined && networkContains(network, stranger.address)
  })
  return wide === undefined
    ? []
    : [problem(`holds ${wide}, and so ${stranger?.address}: OPEN RELAY`, 'name your own networks only')]
}

async function socketFinding(question: Question, found: PostfixFound, mta: MtaHost): Promise<Finding[]> {
  if (question.socket === undefined) return []
  return socketFor(
    question.socket,
    reacherOf(found.user, mta.host),
    'popauthd setup mta postfix tells what is to be changed',
  )
}

async function mapFindings(questions: readonly Question[], mta: MtaHost): Promise<Finding[]> {
  const socket = ours(questions, mta).find(({ kind }) => kind === 'socketmap')?.socket
  if (socket === undefined) return []
  return Promise.all(mta.subjects.map((subject) => mapFinding(subject, socket, mta)))
}

async function mapFinding(subject: Subject, socket: string, { tools, host }: MtaHost): Promise<Finding> {
  const { warning, problem, unknown } = findingsOf('postmap -q', subject.address)
  const command = ['postmap', '-q', subject.address, `socketmap:unix:${socket}:postfix`]
  const answer = await tools.run(command, { timeoutMs: 15_000 })
  if (answer === undefined) return unknown('there is no postmap')
  const says = answer.stdout.trim()
  if (answer.stderr.trim() !== '') {
    const said = `cannot be asked: ${answer.stderr.trim().split('\n').at(-1)}`
    return host.daemon.kind === 'runs' ? problem(said, 'restart popauthd') : warning(said, 'start popauthd')
  }
  return agreement('postmap -q', subject, says === '' ? 'nothing' : says, says === 'RELAY')
}

const MENDS = {
  open: `look at ${RELAY} and mynetworks: postconf ${RELAY} mynetworks`,
  refused: `${SETUP}. Also look at ${RECIPIENTS}: it is not skipped`,
  deferred: 'see the findings about the socket; the log of Postfix names the table',
}

async function dialogFindings(found: PostfixFound, mta: MtaHost): Promise<Finding[]> {
  const { unknown } = findingsOf('dialog', 'XCLIENT')
  const mend =
    'popauthd setup mta postfix --with-doctor --write adds a service that permits it to root alone (docs/postfix.md, "Try it")'
  const place = placeFor(found)
  const dialogs: Finding[] = []
  for (const subject of mta.subjects) {
    const answer = await askAs(subject, place).catch((error: unknown) => reasonOf(error))
    if (answer === 'no XCLIENT')
      return [
        unknown(
          'no dialog as a foreign client was held: Postfix does not permit XCLIENT here, and one from loopback proves nothing',
          mend,
        ),
      ]
    if (typeof answer === 'string')
      return [
        unknown(
          `no dialog was held: ${answer}`,
          'is Postfix running (postfix status)? Where it is, its log tells why smtpd does not answer',
        ),
      ]
    dialogs.push(
      judge('dialog', subject, verdictOf(answer, subject.authorized), wordsOfAnswer(answer), MENDS, mta.host),
    )
  }
  return dialogs
}

/** The service that was made for this; else the port of strangers. */
function placeFor(found: PostfixFound): SmtpPlace {
  const made = found.services.find(({ name, type }) => name === DOCTOR_SERVICE && type === 'unix')
  return made === undefined
    ? { host: '127.0.0.1', port: 25 }
    : { path: join(found.queueDirectory, 'private', DOCTOR_SERVICE) }
}

async function askAs({ address }: Subject, place: SmtpPlace): Promise<SmtpAnswer | string> {
  await using dialog = await openSmtpDialog(place)
  if (dialog.banner.code !== 220) return `the greeting was ${dialog.banner.code} ${dialog.banner.text}`
  if (!/^XCLIENT\b.*\bADDR\b/m.test((await ehlo(dialog)).text)) return 'no XCLIENT'
  const spelled = isIPv4Address(address) ? address : `IPV6:${address}`
  const taken = await dialog.ask(`XCLIENT NAME=[UNAVAILABLE] ADDR=${spelled}`)
  if (taken.code !== 220) return { code: taken.code, text: `to XCLIENT: ${taken.text}` }
  await ehlo(dialog)
  const sender = await dialog.ask('MAIL FROM:<>')
  const answer = sender.code === 250 ? await dialog.ask(`RCPT TO:<${RECIPIENT}>`) : sender
  await dialog.ask('QUIT')
  return answer
}

function ehlo(dialog: SmtpDialog): Promise<SmtpAnswer> {
  return dialog.ask('EHLO popauthd-doctor.example.com')
}

function wordsOfAnswer({ code, text }: SmtpAnswer): string {
  return `${code} ${text.split('\n')[0]}`
}

/**
 * smtpd says `Relay access denied` where it refuses to relay, for good or not. Relaying is judged first: a stranger who is put off met a popauthd that is
 * away; one who may relay may be put off by what comes behind (greylisting), unless it says that a lookup failed.
 */
export function verdictOf({ code, text }: SmtpAnswer, authorized: boolean): Verdict {
  if (code === 250) return 'permitted'
  if (/relay access denied/i.test(text)) return 'refused'
  if (code < 400 || code >= 500) return 'other'
  return !authorized || /lookup failure|configuration (?:error|problem)/i.test(text) ? 'deferred' : 'other'
}

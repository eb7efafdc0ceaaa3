/** `doctor mta postfix`: the restrictions as they are in force, the socket, the map (postmap -q), and a dialog as a foreign client (XCLIENT). */
import { isAbsolute, join } from 'node:path'
import { networkContains, parseNetwork } from '../../core/client-address.ts'
import { lookAtPostfix, mainService, type PostfixFound, RECIPIENTS, RELAY } from '../../setup/postfix/look.ts'
import { wordsOf } from '../../setup/postfix/restrictions.ts'
import { reacherOf } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { agreement } from './agreement.ts'
import type { MtaHost, Subject } from './judge.ts'
import { keeperOf } from './keeper.ts'
import { dialogFindings, SETUP } from './postfix-dialog.ts'
import { type TableRead, tableAnswers, tableFindings, tablesRead } from './postfix-tables.ts'
import { socketFor } from './socket-for.ts'

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
  const answer = await tools.run(command, { timeoutMs: 15_000, as: keeperOf(host) })
  if (answer === undefined) return unknown('there is no postmap')
  const says = answer.stdout.trim()
  if (answer.stderr.trim() !== '') {
    const said = `cannot be asked: ${answer.stderr.trim().split('\n').at(-1)}`
    return host.daemon.kind === 'runs' ? problem(said, 'restart popauthd') : warning(said, 'start popauthd')
  }
  return agreement('postmap -q', subject, says === '' ? 'nothing' : says, says === 'RELAY')
}

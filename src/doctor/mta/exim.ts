/** `doctor mta exim`: whether the configuration in force asks popauthd or reads its file, the socket or file, and a whole dialog as a foreign client (exim -bh). */
import { type EximFound, lookAtExim } from '../../setup/exim/look.ts'
import { eximStrict } from '../../setup/recipes/exim.ts'
import { saidBy } from '../../setup/tools.ts'
import { reacherOf } from '../attachments.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { eximMaps, fileRecipe, isNamed } from './exim-files.ts'
import { fileFor } from './file-for.ts'
import { judge, type MtaHost, RECIPIENT, type Subject, type Verdict } from './judge.ts'
import { answersIn, type SmtpAnswer } from './smtp-dialog.ts'
import { socketFor } from './socket-for.ts'

const SETUP = 'popauthd setup mta exim prints the lines, and --write puts them in'
/** Names of clients are looked up, and that may take its time. */
const DIALOG_MS = 90_000

/** What asks popauthd, with the path of the socket. */
const QUESTION = /\$\{readsocket\{([^}]+)\}\{check \$sender_host_address/g

/** All findings about Exim. */
export async function examineExim(mta: MtaHost): Promise<Finding[]> {
  const found = await lookAtExim(mta.tools)
  const { ok, problem } = findingsOf('Exim', typeof found === 'object' ? found.configFile : 'exim')
  if (found === undefined) return [problem('is not installed here', 'run this on the mail host, as root')]
  if (typeof found === 'string') return [problem(found)]
  const config = (await mta.tools.run([found.program, '-bP', 'config']))?.stdout ?? ''
  const sockets = [...config.matchAll(QUESTION)].map(([, path = '']) => path)
  const who = reacherOf(found.user, mta.host)
  const reached = await Promise.all(
    [...new Set(sockets)].map((path) => socketFor(path, who, 'popauthd setup mta exim tells what is to be changed')),
  )
  return [
    ok(`${found.version}, runs as ${found.user}`),
    ...(await recipeFindings(sockets, config, found, mta)),
    ...strictFindings(sockets, found),
    ...reached.flat(),
    ...(await Promise.all(
      eximMaps(mta.host.config)
        .filter(({ path }) => isNamed(path, config))
        .map(({ path }) => fileFor(path, who, 'Exim refuses all relay attempts until it is')),
    )),
    ...(await dialogFindings(found, mta)),
  ]
}

/** A socket, a file, or both. */
async function recipeFindings(
  sockets: readonly string[],
  config: string,
  found: EximFound,
  mta: MtaHost,
): Promise<Finding[]> {
  const files = eximMaps(mta.host.config)
    .filter(({ path }) => isNamed(path, config))
    .flatMap((map) => fileRecipe(map, config, found.configFile))
  return sockets.length === 0 && files.length > 0 ? files : [await recipeFinding(sockets, found, mta), ...files]
}

async function recipeFinding(sockets: readonly string[], found: EximFound, { host, tools }: MtaHost): Promise<Finding> {
  const { ok, problem } = findingsOf('recipe', found.configFile)
  const again = found.isGenerated ? 'update-exim4.conf, then restart Exim' : 'restart Exim'
  const [socket] = sockets
  if (socket === undefined) {
    const source = found.isGenerated ? ((await tools.read(found.aclFile)) ?? '') : ''
    const isThere = source.search(QUESTION) >= 0 || eximMaps(host.config).some(({ path }) => isNamed(path, source))
    return isThere
      ? problem(`does not ask popauthd, though ${found.aclFile} does`, again)
      : problem('does not ask popauthd: no login lets anybody relay', `${SETUP}; then: ${again}`)
  }
  const own = host.config.lookups.flatMap(({ protocol, at }) =>
    protocol === 'readsocket' && 'path' in at ? [at.path] : [],
  )
  const known =
    own.length === 0
      ? 'the configuration of popauthd has no lookup readsocket'
      : `popauthd answers at ${own.join(', ')}`
  return own.includes(socket)
    ? ok(`asks popauthd: readsocket ${socket}`)
    : problem(`asks at ${socket}, and ${known}`, 'name the same socket in both', SETUP)
}

/** A variable that was never set is an error then, and the recipe begins by reading one. */
function strictFindings(sockets: readonly string[], { strict, configFile }: EximFound): Finding[] {
  if (sockets.length === 0 || strict === undefined || strict.isPrepared) return []
  const { problem } = findingsOf('recipe', configFile)
  return [
    problem(
      'strict_acl_vars is on, and nothing sets acl_c_popauthd before it is read: all relay attempts get 451, logins or not',
      `put "${eximStrict.trim()}" first into the ACL of acl_smtp_connect (docs/exim.md)`,
    ),
  ]
}

const MENDS = {
  open: 'look at the ACL of recipients: exim -bh ADDRESS shows each step',
  refused: `${SETUP}: the lines belong in front of what refuses to relay`,
  deferred: 'see the findings about the socket; exim -bh ADDRESS shows each step',
}

/** Each address by itself: `-bh` pretends to one. Nothing is delivered, and nothing sent. */
async function dialogFindings(found: EximFound, mta: MtaHost): Promise<Finding[]> {
  return Promise.all(mta.subjects.map((subject) => dialogFinding(subject, found, mta)))
}

async function dialogFinding(subject: Subject, { program }: EximFound, { tools, host }: MtaHost): Promise<Finding> {
  const { unknown } = findingsOf('exim -bh', subject.address)
  const commands = ['EHLO popauthd-doctor.example.com', 'MAIL FROM:<>', `RCPT TO:<${RECIPIENT}>`, 'QUIT']
  const input = commands.map((command) => `${command}\r\n`).join('')
  const told = await tools.run([program, '-bh', subject.address], { input, timeoutMs: DIALOG_MS })
  if (told === undefined) return unknown(`there is no ${program}`)
  const answer = answerToRecipient(told.stdout)
  if (answer === undefined) return unknown(`held no dialog: ${saidBy(told)}`, 'run this as root')
  return judge('exim -bh', subject, verdictOf(answer), `${answer.code} ${answer.text.split('\n')[0]}`, MENDS, host)
}

/** The first answer that is no success, or the fourth: to the greeting, EHLO, MAIL and RCPT. */
export function answerToRecipient(stdout: string): SmtpAnswer | undefined {
  const { answers } = answersIn(stdout.replace(/^\*{4}.*$/gm, ''))
  const first = answers.slice(0, 4)
  return first.find(({ code }) => code >= 400) ?? first[3]
}

/** What the ACL says to a recipient; a temporary answer is popauthd's being away, as the recipe has it, or its own. */
export function verdictOf({ code, text }: SmtpAnswer): Verdict {
  if (code === 250) return 'permitted'
  if (code >= 500) return /relay/i.test(text) ? 'refused' : 'other'
  return /cannot be judged/.test(text) ? 'deferred' : 'other'
}

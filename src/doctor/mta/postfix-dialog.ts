/** `doctor mta postfix`: a dialog as a foreign client, by XCLIENT (Postfix XCLIENT_README), up to the recipient. No message is sent. */
import { join } from 'node:path'
import { isIPv4Address } from '../../core/client-address.ts'
import { reasonOf } from '../../errors.ts'
import { type PostfixFound, RECIPIENTS, RELAY } from '../../setup/postfix/look.ts'
import { DOCTOR_SERVICE } from '../../setup/recipes/postfix.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { judge, type MtaHost, RECIPIENT, type Subject, type Verdict } from './judge.ts'
import { openSmtpDialog, type SmtpAnswer, type SmtpDialog, type SmtpPlace } from './smtp-dialog.ts'

/** How the recipe gets where it is missing. */
export const SETUP = 'popauthd setup mta postfix prints the lines, and --write puts them in; then: postfix reload'

const MENDS = {
  open: `look at ${RELAY} and mynetworks: postconf ${RELAY} mynetworks`,
  refused: `${SETUP}. Also look at ${RECIPIENTS}: it is not skipped`,
  deferred: 'see the findings about the socket; the log of Postfix names the table',
}

/** What each address is told, where Postfix permits XCLIENT. */
export async function dialogFindings(found: PostfixFound, mta: MtaHost): Promise<Finding[]> {
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

/** What sendmail is installed here: what it was built with, and the files that its configuration is made of. */
import { saidBy, type Tools } from '../tools.ts'
import { featureDirectory } from './mc-text.ts'

/** The installed sendmail. */
export interface SendmailFound {
  readonly program: string
  readonly version: string
  /** What it was compiled with: `SOCKETMAP`, `NEWDB=5.3`. */
  readonly options: readonly string[]
  readonly mcFile: string
  readonly mc: string | undefined
  readonly cfFile: string
  /** The rule set that judges recipients. */
  readonly recipientRules: 'check_rcpt' | 'checkrcpt'
  readonly featureDirectory: string
  /** `RunAsUser`, where sendmail does not stay root; `user` or `user:group`. */
  readonly runAs: string | undefined
}

const MC = '/etc/mail/sendmail.mc'
const CF = '/etc/mail/sendmail.cf'
const FEATURES = '/usr/share/sendmail/cf/feature'

/** Looks at sendmail; undefined where there is none (or another MTA has its name), or why it cannot be asked. */
export async function lookAtSendmail(tools: Tools): Promise<SendmailFound | string | undefined> {
  for (const program of ['sendmail-mta', '/usr/libexec/sendmail/sendmail', 'sendmail']) {
    const told = await tools.run([program, '-d0.1', '-bv', 'root'])
    const text = `${told?.stdout ?? ''}\n${told?.stderr ?? ''}`
    const version = /^Version (\S+)/m.exec(text)?.[1]
    if (told === undefined || (version === undefined && program !== 'sendmail')) continue
    if (version === undefined)
      return /postfix|exim|courier/i.test(text) ? undefined : `sendmail -d0.1 -bv root: ${saidBy(told)}`
    return look(tools, program, version, text)
  }
  return undefined
}

async function look(tools: Tools, program: string, version: string, told: string): Promise<SendmailFound> {
  const [mc, cf] = [await tools.read(MC), await tools.read(CF)]
  const compiled = /Compiled with:([\s\S]*?)\n\s*\n/.exec(told)?.[1] ?? ''
  return {
    program,
    version,
    options: compiled.split(/\s+/).filter(Boolean),
    mcFile: MC,
    mc,
    cfFile: CF,
    // With FEATURE(`delay_checks') check_rcpt judges client and sender too; what it was is then called so.
    recipientRules: /^Scheckrcpt\b/m.test(cf ?? '') ? 'checkrcpt' : 'check_rcpt',
    featureDirectory: (mc === undefined ? undefined : featureDirectory(mc)) ?? FEATURES,
    runAs: /^O\s+RunAsUser=(\S+)/m.exec(cf ?? '')?.[1],
  }
}

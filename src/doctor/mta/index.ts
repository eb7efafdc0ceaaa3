/** `doctor mta`: the checks of each MTA that is known. */
import type { Check, Finding } from '../finding.ts'
import { examine } from '../index.ts'
import { daemon } from '../running.ts'
import { examineCourier } from './courier.ts'
import { examineExim } from './exim.ts'
import type { MtaHost } from './judge.ts'
import { examineOpensmtpd } from './opensmtpd.ts'
import { examinePostfix } from './postfix.ts'
import { examineQmail } from './qmail.ts'
import { examineSendmail } from './sendmail.ts'

const examiners: Readonly<Record<string, (mta: MtaHost) => Promise<Finding[]>>> = {
  postfix: examinePostfix,
  sendmail: examineSendmail,
  exim: examineExim,
  opensmtpd: examineOpensmtpd,
  courier: examineCourier,
  qmail: examineQmail,
}

/** Names of the MTAs that can be asked. */
export const examinable: readonly string[] = Object.keys(examiners)

/** The findings about an MTA, and about the daemon that it asks. */
export function examineMta(name: string, mta: MtaHost): Promise<Finding[]> {
  const examiner = examiners[name] as (mta: MtaHost) => Promise<Finding[]>
  const ofMta: Check = () => examiner(mta)
  return examine(mta.host, { daemon, [name]: ofMta })
}

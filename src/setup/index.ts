/** The MTAs that `setup mta` and `doctor mta` know. */
import { exim } from './exim/plan.ts'
import { courier } from './others/courier.ts'
import { opensmtpd } from './others/opensmtpd.ts'
import { qmail } from './others/qmail.ts'
import type { Mta } from './plan.ts'
import { postfix } from './postfix/plan.ts'
import { sendmail } from './sendmail/plan.ts'

/** All of them, in the order in which they are named. */
export const mtas: readonly Mta[] = [postfix, sendmail, exim, opensmtpd, courier, qmail]

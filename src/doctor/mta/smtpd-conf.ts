/** The text of smtpd.conf (smtpd.conf(5)): its tables, the rules about them, and rules that are open to everybody. Only lines of known forms are heeded. */

/** A table, `table NAME popauthd:SOCKET` or `table NAME file:PATH`. */
export interface SmtpdTable {
  readonly name: string
  readonly kind: 'popauthd' | 'file'
  readonly place: string
  /** The rule that lets its clients relay; undefined where there is none. */
  readonly rule: { readonly isLast: boolean } | undefined
}

/** What was found. */
interface SmtpdRules {
  readonly tables: readonly SmtpdTable[]
  /** A rule that takes mail from everybody to everywhere. */
  readonly open: string | undefined
  readonly includes: boolean
}

/** Conditions that keep a rule from being open to everybody. */
const CONDITION = /(?:^|\s)(?:!|auth|from (?!any\b)|helo|mail-from|rcpt-to|tag|tls)/

/** Reads the text. */
export function rulesIn(text: string): SmtpdRules {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/#.*$/, '').trim().replace(/\s+/g, ' '))
  const matches = lines.filter((line) => line.startsWith('match '))
  const tables = lines.flatMap((line): SmtpdTable[] => {
    const [, name = '', kind, place = ''] = /^table "?([\w.-]+)"? "?(popauthd|file):([^"\s]+)"?$/.exec(line) ?? []
    if (kind !== 'popauthd' && kind !== 'file') return []
    const at = matches.findIndex((rule) => rule.includes(` from src <${name}>`) && / for any\b/.test(rule))
    return [{ name, kind, place, rule: at < 0 ? undefined : { isLast: at === matches.length - 1 } }]
  })
  const open = matches.find((rule) => isOpen(rule))
  return { tables, open, includes: lines.some((line) => line.startsWith('include ')) }
}

function isOpen(rule: string): boolean {
  return / from any\b/.test(rule) && / for any\b/.test(rule) && !/ reject$/.test(rule) && !CONDITION.test(rule.slice(6))
}

import { describe, expect, it } from 'vitest'
import { featureDirectory, hasOwnRules, withFeature } from './mc-text.ts'

const LINE = "FEATURE(`popauthd', `local:/run/popauthd/sendmail.sock')dnl\n"
const MC = `divert(-1)dnl
MAILER(\`local') stands here as an example
divert(0)dnl
include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
dnl FEATURE(\`popauthd')dnl
FEATURE(\`access_db', , \`skip')dnl
MAILER_DEFINITIONS
MAILER(\`local')dnl
`

describe('a feature', () => {
  it('stands above the mailers, and once', () => {
    const made = withFeature(MC, LINE, 'popauthd')
    expect(made).toEqual({ done: false, text: MC.replace('MAILER_DEFINITIONS', `${LINE}MAILER_DEFINITIONS`) })
    expect('text' in made && withFeature(made.text, LINE, 'popauthd')).toMatchObject({ done: true })
  })

  it('that is there in another form is left alone, as is a text without mailers', () => {
    expect(withFeature(MC, "FEATURE(`access_db', `hash x')dnl\n", 'access_db')).toMatchObject({
      why: expect.stringContaining('`skip'),
    })
    for (const other of ['FEATURE(access_db)dnl', "FEATURE( `access_db', `hash /x')dnl"])
      expect(withFeature(`${other}\nMAILER(local)\n`, "FEATURE(`access_db', `hash x')dnl\n", 'access_db')).toEqual({
        why: `has access_db already, in another form: ${other}`,
      })
    expect(withFeature("dnl MAILER(`x')\n", LINE, 'popauthd')).toEqual({ why: 'has no MAILER line' })
  })
})

it('own rules and the directory of features are found', () => {
  expect(featureDirectory(MC)).toBe('/usr/share/sendmail/cf/feature')
  expect(featureDirectory("include(`../m4/cf.m4')")).toBeUndefined()
  expect([hasOwnRules(MC), hasOwnRules(`${MC}LOCAL_RULESETS\nSLocal_Relay_Auth\n`)]).toEqual([false, true])
})

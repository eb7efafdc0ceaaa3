import { describe, expect, it } from 'vitest'
import { withStatements } from './acl-text.ts'

const LINES = '  warn set acl_c_popauthd = x\n'
const ACL = `acl_check_rcpt:
  accept hosts = +relay_from_hosts

  # Insist on our domains.
  #
  require message = relay not permitted
          domains = +local_domains : +relay_to_domains
  accept

acl_check_data:
  accept
`

describe('the statements', () => {
  it('stand in front of what refuses to relay, above its comment', () => {
    const made = withStatements(ACL, 'acl_check_rcpt', LINES)
    expect(made).toEqual({ done: false, text: ACL.replace('  # Insist', `${LINES}\n  # Insist`) })
    expect('text' in made && withStatements(made.text, 'acl_check_rcpt', LINES)).toMatchObject({ done: true })
  })

  it.each<[string, string, RegExp]>([
    ['another ACL', ACL.replace('acl_check_rcpt:', 'my_rcpt:'), /has no ACL acl_check_rcpt/],
    ['another refusal', ACL.replace('relay not permitted', 'no relaying'), /exactly once/],
    [
      'more conditions',
      ACL.replace('  accept\n\nacl_check_data', '          hosts = x\n  accept\n\nacl_check_data'),
      /exactly once/,
    ],
    ['a refusal in another ACL', ACL.replace('acl_check_rcpt:', 'acl_check_rcpt:\n  accept\n\nother:'), /exactly once/],
    [
      'lines of another version',
      ACL.replace('  accept hosts', '  warn set acl_m_popauthd = y\n  accept hosts'),
      /in another form/,
    ],
  ])('are not put into %s', (_, text, why) =>
    expect(withStatements(text, 'acl_check_rcpt', LINES)).toMatchObject({ why: expect.stringMatching(why) }),
  )
})

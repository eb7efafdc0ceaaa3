import { describe, expect, it } from 'vitest'
import { parametersIn, withParameter } from './main-cf.ts'

const TEXT = `# smtpd_relay_restrictions = permit
myhostname = mx
smtpd_relay_restrictions=permit_mynetworks,
   permit_sasl_authenticated
\tdefer_unauth_destination
mynetworks = 127.0.0.0/8
`

describe('a parameter of main.cf', () => {
  it('is found with the lines that continue it', () => {
    const [found, more] = parametersIn(TEXT, 'smtpd_relay_restrictions')
    expect(found).toMatchObject({
      value: 'permit_mynetworks, permit_sasl_authenticated defer_unauth_destination',
      isInterrupted: false,
    })
    expect(more).toBeUndefined()
    expect(withParameter(TEXT, found, 'X\n')).toBe(
      '# smtpd_relay_restrictions = permit\nmyhostname = mx\nX\nmynetworks = 127.0.0.0/8\n',
    )
  })

  it('may stand twice, have comments inside, or none at all', () => {
    expect(parametersIn('a = 1\na = 2', 'a').map(({ value }) => value)).toEqual(['1', '2'])
    expect(parametersIn('a = 1\n# x\n\n  2\nb = 3\n', 'a')).toEqual([
      { start: 0, end: 15, value: '1 2', isInterrupted: true },
    ])
    expect(parametersIn('a = 1\n# x\nb = 3\n', 'a')).toEqual([{ start: 0, end: 6, value: '1', isInterrupted: false }])
    expect(parametersIn(TEXT, 'smtpd_recipient_restrictions')).toEqual([])
    expect(withParameter('a = 1', undefined, 'b = 2\n')).toBe('a = 1\nb = 2\n')
  })
})

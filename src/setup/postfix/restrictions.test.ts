import { describe, expect, it } from 'vitest'
import { refusalBefore, withQuestion, wordsOf } from './restrictions.ts'

const MAP = 'check_client_access socketmap:unix:popauthd/map.sock:postfix'
const POLICY = 'check_policy_service { unix:popauthd/policy.sock, timeout=5s, default_action=DEFER }'

it('words are separated by blanks and commas, and braces hold together', () => {
  expect(wordsOf(' a, b,c\t{ x,  y } d')).toEqual(['a', 'b', 'c', '{ x, y }', 'd'])
})

describe('a list with the question', () => {
  it.each<[string, string, readonly string[]]>([
    [
      'as Debian has it',
      'permit_mynetworks permit_sasl_authenticated defer_unauth_destination',
      ['permit_mynetworks', 'permit_sasl_authenticated', 'permit_auth_destination', MAP, 'defer_unauth_destination'],
    ],
    ['one word', 'reject_unauth_destination', ['permit_auth_destination', MAP, 'reject_unauth_destination']],
    [
      'in the wrong order',
      `${MAP}, permit_auth_destination, reject_unauth_destination`,
      ['permit_auth_destination', MAP, 'reject_unauth_destination'],
    ],
  ])('%s', (_, before, restrictions) => {
    const merged = withQuestion(before, MAP)
    expect(merged).toEqual({ restrictions, done: false })
    expect(withQuestion(restrictions.join(', '), MAP)).toEqual({ restrictions, done: true })
  })

  it('put there by hand is left as it is, whatever else stands there', () => {
    const byHand = `permit_mynetworks, reject_rbl_client x.example, permit_auth_destination, ${MAP}, reject_unauth_destination`
    expect(withQuestion(byHand, MAP)).toMatchObject({ done: true })
    expect(withQuestion(`reject_unauth_destination, permit_auth_destination, ${MAP}`, MAP)).not.toMatchObject({
      done: true,
    })
  })

  it('the policy service too', () => {
    const merged = withQuestion('permit_mynetworks reject_unauth_destination', POLICY)
    expect(merged).toMatchObject({
      restrictions: ['permit_mynetworks', 'permit_auth_destination', POLICY, 'reject_unauth_destination'],
    })
    expect(
      withQuestion(`permit_mynetworks permit_auth_destination ${POLICY} reject_unauth_destination`, POLICY),
    ).toMatchObject({ done: true })
  })

  it.each<[string, string, RegExp]>([
    ['nothing', '', /is empty/],
    ['another end', 'permit_sasl_authenticated,reject', /ends with "reject"/],
    ['no end', 'permit_mynetworks', /ends with "permit_mynetworks"/],
    [
      'what is not understood',
      'permit_mynetworks reject_rbl_client x.example reject_unauth_destination',
      /holds "reject_rbl_client"/,
    ],
    ['a permit for all', 'permit reject_unauth_destination', /holds "permit"/],
    ['another question', `permit_mynetworks ${POLICY} reject_unauth_destination`, /holds "check_policy_service"/],
  ])('is not made of %s', (_, before, why) =>
    expect(withQuestion(before, MAP)).toMatchObject({ why: expect.stringMatching(why) }),
  )
})

it('a refusal that comes before the question is told', () => {
  expect(refusalBefore('permit_mynetworks, reject_unauth_destination', MAP)).toBe('reject_unauth_destination')
  expect(refusalBefore(`${MAP}, reject_unauth_destination`, MAP)).toBeUndefined()
  expect(refusalBefore('reject_unknown_recipient_domain', MAP)).toBeUndefined()
})

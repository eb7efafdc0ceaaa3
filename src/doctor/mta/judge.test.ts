import { describe, expect, it } from 'vitest'
import type { ClientAddress } from '../../core/client-address.ts'
import { fakeHost, fakeStatus } from '../fake-host.ts'
import type { Host } from '../finding.ts'
import { answerToRecipient, verdictOf as eximVerdict } from './exim.ts'
import { chooseSubjects, judge, type Subject, type Verdict } from './judge.ts'
import { verdictOf as postfixVerdict } from './postfix-dialog.ts'
import { sendmailSpelling, verdictIn } from './sendmail.ts'
import { answersIn } from './smtp-dialog.ts'

const address = (text: string) => text as ClientAddress
const subject = (changes: Partial<Subject> = {}): Subject => ({
  address: address('203.0.113.77'),
  authorized: false,
  isNamed: false,
  ...changes,
})
const running = fakeHost('/nowhere', {}, { daemon: { kind: 'runs', status: fakeStatus() } })
const dead = fakeHost('/nowhere')
const mends = { open: 'open', refused: 'refused', deferred: 'deferred' }

describe('whom to ask about', () => {
  const choose = (open: readonly string[], named?: string) =>
    chooseSubjects(
      named as ClientAddress | undefined,
      async (who) => open.includes(who),
      async () => open[0],
    )

  it('is a stranger, one who may relay, and the one who is named', async () => {
    expect((await choose([])).map(({ address: who }) => who)).toEqual(['203.0.113.77'])
    expect(await choose(['198.51.100.7'])).toMatchObject([
      { authorized: false },
      { address: '198.51.100.7', authorized: true, isNamed: false },
    ])
    expect(await choose(['198.51.100.7', '198.51.100.8'], '198.51.100.8')).toMatchObject([
      { address: '198.51.100.8', authorized: true, isNamed: true },
      { address: '203.0.113.77', authorized: false },
    ])
  })

  it('is nobody whom popauthd names by anything but an address', async () => {
    for (const named of ['192.0.2.7\n/quit', '2001:db8::7\r\nDATA', '-C/x', '192.0.2.0/24'])
      expect(await choose([named])).toMatchObject([{ address: '203.0.113.77' }])
  })

  it('is another stranger where the first may relay', async () => {
    expect((await choose(['203.0.113.77']))[0]).toMatchObject({ address: '203.0.113.178', authorized: false })
  })
})

it.each<[string, Partial<Subject>, Verdict, Host, string]>([
  ['a stranger who is refused', {}, 'refused', running, 'ok'],
  ['a stranger who is permitted', {}, 'permitted', running, 'problem'],
  ['a named one with rights of its own', { isNamed: true }, 'permitted', running, 'warning'],
  ['a stranger who is put off', {}, 'deferred', running, 'problem'],
  ['the same while popauthd is away', {}, 'deferred', dead, 'warning'],
  ['one who may and does', { authorized: true }, 'permitted', running, 'ok'],
  ['one who may and is refused', { authorized: true }, 'refused', running, 'problem'],
  ['one whom something else refused', { authorized: true }, 'other', running, 'unknown'],
])('%s', (_, who, verdict, host, expected) =>
  expect(judge('dialog', subject(who), verdict, '', mends, host).verdict).toBe(expected),
)

describe('answers', () => {
  it('are read with all their lines, also in pieces', () => {
    expect(answersIn('220 mx\r\n250-mx\r\n250-SIZE\r\n250 XCLIENT ADDR\r\n25')).toEqual({
      answers: [
        { code: 220, text: 'mx' },
        { code: 250, text: 'mx\nSIZE\nXCLIENT ADDR' },
      ],
      rest: '25',
    })
    const first = answersIn('250-mx\r\n250-SIZE\r\n')
    expect(answersIn(`${first.rest}250 END\r\n`).answers).toEqual([{ code: 250, text: 'mx\nSIZE\nEND' }])
  })

  it('of Postfix: only "Relay access denied" refuses to relay', () => {
    const said = (code: number, text: string, authorized = false) => postfixVerdict({ code, text }, authorized)
    expect(said(250, 'Ok')).toBe('permitted')
    expect(said(454, '4.7.1 <x>: Relay access denied')).toBe('refused')
    expect(said(451, '4.3.0 <x>: Temporary lookup failure', true)).toBe('deferred')
    expect(said(450, 'Greylisted', true)).toBe('other')
    expect(said(450, 'whatever')).toBe('deferred')
    expect(said(556, 'Domain does not accept mail', true)).toBe('other')
  })

  it('of exim -bh: the one to the recipient', () => {
    const banner =
      '\n**** SMTP testing session as if from host 203.0.113.77\n**** This is not for real!\n\n220 mx\r\n250-mx Hello\r\n250 HELP\r\n250 OK\r\n'
    const answer = answerToRecipient(`${banner}550 relay not permitted\r\n221 closing\r\n`)
    expect(answer).toEqual({ code: 550, text: 'relay not permitted' })
    expect(eximVerdict({ code: 550, text: 'relay not permitted' })).toBe('refused')
    expect(eximVerdict({ code: 550, text: 'Sender verify failed' })).toBe('other')
    expect(eximVerdict({ code: 451, text: 'relaying cannot be judged at the moment, try again later' })).toBe(
      'deferred',
    )
    expect(answerToRecipient('220 mx\r\n554 no\r\n')).toEqual({ code: 554, text: 'no' })
    expect(answerToRecipient('')).toBeUndefined()
  })

  it('of sendmail -bt: what check_rcpt returned', () => {
    const denied =
      '> > check_rcpt         input: < x >\nRelay_ok returns: $# x\ncheck_rcpt       returns: $# error $@ 5 . 7 . 1 $: "550 Relaying denied" [ 203 . 0 . 113 . 9 ]\n'
    expect(verdictIn(denied)).toMatchObject({
      verdict: 'refused',
      said: expect.stringContaining('550 Relaying denied'),
    })
    expect(verdictIn('checkrcpt        returns: $# RELAY\n').verdict).toBe('permitted')
    expect(verdictIn('checkrcpt        returns: < x @ example . com > $| @ x\n').verdict).toBe('permitted')
    expect(verdictIn('check_rcpt returns: $# error $@ 4 . 7 . 1 $: "450 later"\n').verdict).toBe('deferred')
    expect(verdictIn('check_rcpt returns: $# error $@ 5 . 5 . 4 $: "553 Domain name required"\n').verdict).toBe('other')
    expect(verdictIn('nothing').verdict).toBeUndefined()
  })
})

it('sendmail spells IPv6 with all its words', () => {
  expect([sendmailSpelling(address('198.51.100.7')), sendmailSpelling(address('2001:db8::7'))]).toEqual([
    '198.51.100.7',
    'IPv6:2001:db8:0:0:0:0:0:7',
  ])
})

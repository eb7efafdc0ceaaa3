import { describe, expect, it } from 'vitest'
import { parseClientAddress } from '../../core/client-address.ts'
import { TcpRules } from './rules.ts'

const parse = (text: string) => TcpRules.parse([{ path: '/etc/tcp.smtp', text }])
const entriesOf = async (text: string) => [...(await parse(text)).byKey].map(([key, { data }]) => `${key}|${data}`)

describe('rules for tcpserver', () => {
  it.each([
    ['192.0.2.1:allow', ['192.0.2.1|']],
    ['192.0.2.1:allow,RELAYCLIENT="",X=\'a"b\'  \t', ['192.0.2.1|+RELAYCLIENT=\0+X=a"b\0']],
    ['192.0.2.:deny', ['192.0.2.|D\0']],
    [':deny,WHY=/x/', ['|D\0+WHY=x\0']],
    ['# a comment\n\n \t\n:allow', ['|']],
    ['192.0.2.1-3:allow', ['192.0.2.1|', '192.0.2.2|', '192.0.2.3|']],
    ['10.8-9.:deny', ['10.8.|D\0', '10.9.|D\0']],
    ['192.0.2.254-999:allow', ['192.0.2.254|', '192.0.2.255|']],
    ['192.0.2.5-4:allow', []],
    ['=:allow\n=a-b.example:allow,RELAYCLIENT=""', ['=|', '=a-b.example|+RELAYCLIENT=\0']],
    ['joe@192.0.2.1:deny\njoe@=x-1.example:deny', ['joe@192.0.2.1|D\0', 'joe@=x-1.example|D\0']],
    ['2001:db8::7:allow,A="b:deny"', ['2001:db8::7|+A=b:deny\0']],
    ['192.0.2.1:allow\n192.0.2.1:deny', ['192.0.2.1|']],
  ])('reads %j', async (text, entries) => {
    expect(await entriesOf(text)).toEqual(entries)
  })

  it.each([
    ['192.0.2.1', /neither :allow nor :deny/],
    ['192.0.2.1:permit', /neither :allow nor :deny/],
    ['192.0.2.1:allowed', /no list of variables/],
    ['192.0.2.1:allow,X', /no list of variables/],
    ['192.0.2.1:allow,X=', /no list of variables/],
    ['192.0.2.1:allow,X="a', /no list of variables/],
    ['192.0.2.1:allow,X="a"b', /no list of variables/],
    ['192.0.2.1:deny\r', /carriage return/],
    ['192.0.2.1:allow,X="\0"', /NUL/],
    ['192.0.2.x-5:deny', /a range is two numbers/],
    ['192.0.2.1-x:deny', /a range is two numbers/],
    ['=.example.com:deny', /rule about names/],
    ['=:allow,RBLSMTPD="no"', /rule about names/],
  ])('refuses %j, with file, line and mend', async (line, problem) => {
    const refused = parse(`:allow\n${line}\n`)
    await expect(refused).rejects.toThrow(/line 2 of \/etc\/tcp\.smtp/)
    await expect(refused).rejects.toThrow(problem)
    await expect(refused).rejects.toMatchObject({ retryable: true, mend: expect.stringMatching(/write|take|save/) })
  })

  it('shows a line without what a terminal would do', async () => {
    await expect(parse('\u001b[31m')).rejects.toThrow(/^[\x20-\x7e]+$/)
  })

  it('takes over the most specific rule, and adds RELAYCLIENT', async () => {
    const rules = await parse(
      ':allow,D="1"\n192.0.:allow,P="1"\n192.0.2.:allow,Q="1"\n192.0.2.7:allow,R="1"\n10.:allow,RELAYCLIENT="@x"',
    )
    expect(rules.relaying('192.0.2.7')).toBe('+R=1\0+RELAYCLIENT=\0')
    expect(rules.relaying('192.0.2.8')).toBe('+Q=1\0+RELAYCLIENT=\0')
    expect(rules.relaying('192.0.3.8')).toBe('+P=1\0+RELAYCLIENT=\0')
    expect(rules.relaying('198.51.100.1')).toBe('+D=1\0+RELAYCLIENT=\0')
    expect(rules.relaying('10.1.2.3')).toBe('+RELAYCLIENT=@x\0')
    expect(TcpRules.none.relaying('10.1.2.3')).toBe('+RELAYCLIENT=\0')
  })

  it('lets a denied address or prefix stand, also where something narrower is allowed', async () => {
    const rules = await parse('192.0.2.:deny\n192.0.2.7:allow\n198.51.100.9:deny')
    expect(rules.relaying('192.0.2.7')).toBeUndefined()
    expect(rules.relaying('198.51.100.9')).toBeUndefined()
    expect(rules.relaying('198.51.100.8')).toBe('+RELAYCLIENT=\0')
  })

  it('lets a default that denies stand for those of whom nothing else is said', async () => {
    const rules = await parse(':deny\n203.0.113.:allow')
    expect(rules.relaying('192.0.2.7')).toBeUndefined()
    expect(rules.relaying('203.0.113.7')).toBe('+RELAYCLIENT=\0')
  })

  it('knows what is denied in spellings that tcpserver does not find', async () => {
    const { denied } = await parse('192.0.2:deny\n2001:DB8:0:1::7:deny\n198.51.100.0/24:deny')
    for (const text of ['192.0.2.7', '2001:db8:0:1::7', '198.51.100.7'])
      expect(denied.vetoFor(parseClientAddress(text) ?? expect.fail())).toBeDefined()
  })
})

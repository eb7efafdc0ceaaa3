import { describe, expect, it } from 'vitest'
import { addressOf, loggedIn, networksOf } from '../../../test/support/rendered-format.ts'
import type { TableChange } from '../../core/authorization.ts'
import { alwaysLine, changeLine, grantedLine } from './protocol.ts'

const change = (kind: TableChange['kind'], text: string, more: Partial<TableChange> = {}): TableChange => ({
  kind,
  address: addressOf(text),
  atMs: 1_700_000_000_000,
  reason: kind === 'ended' ? 'expired' : 'login',
  ...(kind === 'ended' ? {} : { untilMs: 1_700_000_600_500 }),
  ...more,
})

describe('lines for a command', () => {
  it('say address, end in whole seconds, and reason', () => {
    expect(grantedLine(loggedIn('192.0.2.7', 1_700_000_600_999), 128)).toBe('granted 192.0.2.7 1700000600 login\n')
    expect(grantedLine({ ...loggedIn('192.0.2.7', 1_700_000_600_999), reason: 'allowed' }, 128)).toBe(
      'granted 192.0.2.7 1700000600 allowed\n',
    )
    expect(changeLine(change('granted', '192.0.2.7'), [], 128)).toBe('granted 192.0.2.7 1700000600 login\n')
    expect(changeLine(change('extended', '192.0.2.7'), [], 128)).toBe('extended 192.0.2.7 1700000600 login\n')
    expect(changeLine(change('ended', '192.0.2.7'), [], 128)).toBe('ended 192.0.2.7\n')
  })

  it('say the network that an IPv6 login opens, alike when it begins and ends', () => {
    expect(changeLine(change('granted', '2001:db8::7:1'), [], 64)).toBe('granted 2001:db8::/64 1700000600 login\n')
    expect(changeLine(change('ended', '2001:db8::7:1'), [], 64)).toBe('ended 2001:db8::/64\n')
    expect(changeLine(change('ended', '2001:db8::7:1'), [], 128)).toBe('ended 2001:db8::7:1\n')
    expect(grantedLine(loggedIn('192.0.2.7', 1_700_000_600_000), 64)).toBe('granted 192.0.2.7 1700000600 login\n')
  })

  it('say a network that always may relay once', () => {
    const always = networksOf('10.0.0.0/8', '192.0.2.7')
    expect(always.map(alwaysLine)).toEqual([
      'granted 10.0.0.0/8 4294967295 always\n',
      'granted 192.0.2.7 4294967295 always\n',
    ])
    const { untilMs: _, ...inside } = { ...loggedIn('10.1.1.1', 0), reason: 'always' as const }
    expect(grantedLine(inside, 128)).toBe('')
    expect(changeLine(change('granted', '10.1.1.1', { reason: 'always' }), always, 128)).toBe('')
    for (const text of ['10.1.1.1', '192.0.2.7']) expect(changeLine(change('ended', text), always, 128)).toBe('')
    expect(changeLine(change('ended', '192.0.2.8'), always, 128)).toBe('ended 192.0.2.8\n')
  })

  it('end the network of a login that is wider than what always may relay', () => {
    const always = networksOf('2001:db8::5')
    expect(changeLine(change('ended', '2001:db8::5'), always, 64)).toBe('ended 2001:db8::/64\n')
  })

  it('hold nothing of a log', () => {
    const line = changeLine(
      change('granted', '192.0.2.7', { user: 'x\ngranted 203.0.113.1 9999999999 login' }),
      [],
      128,
    )
    expect(line).toBe('granted 192.0.2.7 1700000600 login\n')
  })
})

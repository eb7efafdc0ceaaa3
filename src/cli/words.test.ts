import { describe, expect, it } from 'vitest'
import type { CheckAnswer } from '../admin/api-types.ts'
import { colorsFor } from '../lib/terminal.ts'
import { localTime } from './output.ts'
import { verdictLine } from './words.ts'

const NOW_MS = Date.UTC(2026, 10, 22, 18, 10)
const colors = colorsFor({ isTTY: false }, {})

const open: CheckAnswer = {
  address: '198.51.100.7',
  authorized: true,
  reason: 'login',
  until: '2026-11-22T18:32:54.078Z',
  secondsLeft: 1374,
  lastLogin: '2026-11-22T18:02:54.078Z',
  detail: 'pop3 login by alice (dovecot)',
}

describe('verdictLine', () => {
  it('tells all times in the zone of the reader', () => {
    const local = (iso: string | null | undefined) => localTime(String(iso), NOW_MS)
    expect(verdictLine(open, NOW_MS, colors)).toBe(
      `198.51.100.7 may relay until ${local(open.until)} (22 min 54 s left): pop3 login by alice (dovecot) at ${local(open.lastLogin)}\n`,
    )
  })

  it('tells of no login where none opens it', () => {
    const { lastLogin: _, ...rest } = open
    const allowed = {
      ...rest,
      reason: 'allowed',
      until: null,
      secondsLeft: null,
      detail: 'allowed by the operator',
    } as const
    expect(verdictLine(allowed, NOW_MS, colors)).toBe('198.51.100.7 may relay without end: allowed by the operator\n')
  })
})

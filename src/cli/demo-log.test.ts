import { describe, expect, it } from 'vitest'
import type { Login } from '../core/login.ts'
import { parsers } from '../parsers/index.ts'
import { LoginScanner } from '../parsers/scanner.ts'
import { DEMO_SCENES } from './demo-log.ts'

const stamp = { syslog: 'Nov 22 16:20:01', iso: '2026-11-22T16:20:01.000+00:00', pid: 2001 }

describe.each(DEMO_SCENES.map((scene, i) => ({ i, scene })))('scene $i of the demonstration', ({ scene }) => {
  it('shows the logins it promises and no other', () => {
    const logins: Login[] = []
    const chunk = Buffer.from(`${scene.lines(stamp).join('\n')}\n`)
    const scanner = new LoginScanner({ parsers, timezone: 'UTC' })
    const newestMs = Date.parse('2026-11-22T16:21:00Z')
    scanner.scan(chunk, { format: 'lines', newestMs }, { login: (login) => logins.push(login), rejected: () => {} })
    const outside = logins.map(({ address }) => address).filter((address) => address !== '127.0.0.1')
    expect(outside).toEqual(scene.opens)
  })
})

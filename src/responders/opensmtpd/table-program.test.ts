import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/clock.ts'
import { ANSWER_WITHIN_MS, HUNG_RETRY_MS, type LinkEvents, TableProgram } from './table-program.ts'

/** A connection that the program made, with what it wrote there. */
interface FakeLink {
  readonly events: LinkEvents
  written: string
  isClosed: boolean
}

const PLACE = '/run/popauthd/opensmtpd.sock'
const SILENT = `error|popauthd does not answer at ${PLACE}`
const ask = (id: string, key = '192.0.2.7', operation = 'check') =>
  `table|0.1|1713795103.314423|popauth|${operation}|netaddr|${id}|${key}\n`

describe('the table program', () => {
  let clock: ManualClock
  let links: FakeLink[]
  let said: string
  let program: TableProgram

  beforeEach(() => {
    clock = new ManualClock(1_000_000)
    links = []
    said = ''
    program = new TableProgram({
      clock,
      place: PLACE,
      say: (text) => {
        said += text
      },
      connect: (events) => {
        const link: FakeLink = { events, written: '', isClosed: false }
        links.push(link)
        return {
          write: (text) => {
            link.written += text
          },
          close: () => {
            link.isClosed = true
          },
        }
      },
    })
  })

  /** What it said since the last call. */
  const heard = () => {
    const text = said
    said = ''
    return text
  }
  const link = (index = links.length - 1) => links[index] as FakeLink

  it('shakes hands as smtpd does, and asks nobody for that', () => {
    program.receive('config|smtpd-version|7.6.0-portable\nconfig|protocol|0.1\nconfig|tablename|popauth\nconfig|re')
    expect(heard()).toBe('')
    program.receive('ady\n')
    expect(heard()).toBe('register|netaddr\nregister|ready\n')
    expect(links).toEqual([])
  })

  it('passes questions on, one connection for all, and the answers back', () => {
    program.receive(ask('aa'))
    expect(link().written).toBe('table|0.1|0.000000|popauth|check|netaddr|1|192.0.2.7\n')
    link().events.received('check-result|1|found\n')
    expect(heard()).toBe('check-result|aa|found\n')
    program.receive(ask('bb', '[2001:db8::7]', 'lookup') + ask('cc', '192.0.2.8'))
    link().events.received('check-result|3|not-found\nlookup-result|2|fou')
    expect(heard()).toBe('check-result|cc|not-found\n')
    link().events.received('nd|[2001:db8::7]\n')
    expect(heard()).toBe('lookup-result|bb|found|[2001:db8::7]\n')
    expect(links).toHaveLength(1)
  })

  it('answers by itself what is no question about an address', () => {
    program.receive(`${ask('aa', 'local') + ask('bb', 'mx.example.net')}table|0.1|0|popauth|update|cc\n`)
    expect(heard()).toBe('check-result|aa|not-found\ncheck-result|bb|not-found\nupdate-result|cc|ok\n')
    program.receive('table|0.1|0|popauth|check|regex|dd|192.0.2.7\n')
    expect(heard()).toMatch(/^check-result\|dd\|error\|[^\n]+\n$/)
    expect(links).toEqual([])
  })

  it('says nothing to what is no request', () => {
    program.receive('\nGET / HTTP/1.0\ntable|0.1\ntable|0.1|0|popauth|check|netaddr||192.0.2.7\n\0\xff\n')
    expect(heard()).toBe('')
    program.receive(ask('aa'))
    expect(link().written).toContain('|1|192.0.2.7\n')
  })

  it('says at once that popauthd is away, and finds it again with the next question', () => {
    program.receive(ask('aa'))
    link().events.closed('ENOENT')
    expect(heard()).toBe(`check-result|aa|error|cannot reach popauthd at ${PLACE}: ENOENT\n`)
    program.receive(ask('bb'))
    expect(links).toHaveLength(2)
    link().events.received('check-result|2|found\n')
    expect(heard()).toBe('check-result|bb|found\n')
  })

  it('does not notice a restart between two questions', () => {
    program.receive(ask('aa'))
    link().events.received('check-result|1|found\n')
    link().events.closed(undefined)
    program.receive(ask('bb'))
    expect(links).toHaveLength(2)
    link().events.received('check-result|2|found\n')
    expect(heard()).toBe('check-result|aa|found\ncheck-result|bb|found\n')
  })

  it('asks once more where the connection broke under the question, and not a third time', () => {
    program.receive(ask('aa'))
    link().events.closed(undefined)
    expect(heard()).toBe('')
    expect(link(1).written).toBe(link(0).written)
    link().events.closed(undefined)
    expect(heard()).toBe(`check-result|aa|error|popauthd closed the connection at ${PLACE}\n`)
    expect(links).toHaveLength(2)
    clock.advance(ANSWER_WITHIN_MS)
    expect(heard()).toBe('')
  })

  it('waits a second for a popauthd that hangs, and then no more, until it answers', () => {
    program.receive(ask('aa'))
    clock.advance(ANSWER_WITHIN_MS - 1)
    expect(heard()).toBe('')
    clock.advance(1)
    expect(heard()).toBe(`check-result|aa|${SILENT}\n`)
    program.receive(ask('bb'))
    expect(heard()).toBe(`check-result|bb|${SILENT}\n`)
    link().events.received('check-result|1|found\n')
    expect(heard()).toBe('')
    program.receive(ask('cc'))
    link().events.received('check-result|2|not-found\n')
    expect(heard()).toBe('check-result|cc|not-found\n')
    expect(links).toHaveLength(1)
  })

  it('tries a new connection once in a while where popauthd hangs', () => {
    program.receive(ask('aa'))
    clock.advance(ANSWER_WITHIN_MS + HUNG_RETRY_MS - 1)
    program.receive(ask('bb'))
    expect(links).toHaveLength(1)
    heard()
    clock.advance(1)
    program.receive(ask('cc'))
    expect(link(0).isClosed).toBe(true)
    expect(links).toHaveLength(2)
    link(0).events.received('check-result|2|found\n')
    link(0).events.closed(undefined)
    expect(heard()).toBe('')
    link(1).events.received('check-result|2|not-found\n')
    expect(heard()).toBe('check-result|cc|not-found\n')
  })

  it('is well again at once when a hanging popauthd is restarted', () => {
    program.receive(ask('aa'))
    clock.advance(ANSWER_WITHIN_MS)
    link().events.closed(undefined)
    heard()
    program.receive(ask('bb'))
    link().events.received('check-result|2|found\n')
    expect(heard()).toBe('check-result|bb|found\n')
  })

  it('never takes a late answer for that to another question, also of the same id', () => {
    program.receive(ask('aa', '192.0.2.7'))
    clock.advance(ANSWER_WITHIN_MS)
    heard()
    link().events.received('junk\n')
    program.receive(ask('aa', '192.0.2.8'))
    link().events.received('check-result|1|found\n')
    expect(heard()).toBe('')
    link().events.received('check-result|2|not-found\n')
    expect(heard()).toBe('check-result|aa|not-found\n')
  })

  it.each([
    'check-result|1|FOUND',
    'check-result|1|found|192.0.2.7',
    'lookup-result|1|found',
    'check-result|1|error|\x1b]0;x',
    'check-result|1|',
  ])('lets nothing strange through: %j', (line) => {
    program.receive(ask('aa'))
    link().events.received(`${line}\n`)
    expect(heard()).toBe(`check-result|aa|error|not understood at ${PLACE}: is it popauthd's?\n`)
  })

  it('holds no more questions than it must', () => {
    for (let i = 0; i < 1200; i++) program.receive(ask(`i${i}`))
    expect(heard().match(/\|error\|too many questions at a time\n/g)).toHaveLength(200)
    clock.advance(ANSWER_WITHIN_MS)
    expect(heard().match(/\n/g)).toHaveLength(1000)
  })

  it('hangs up at the end, once what was asked is answered', () => {
    program.receive(ask('aa'))
    program.end()
    expect(link().isClosed).toBe(false)
    link().events.received('check-result|1|found\n')
    expect(heard()).toBe('check-result|aa|found\n')
    expect(link().isClosed).toBe(true)
  })
})

it('prints a path as what smtpd can read', () => {
  const said: string[] = []
  const program = new TableProgram({
    clock: new ManualClock(0),
    place: '/run/\u010a\n|.sock',
    say: (text) => void said.push(text),
    connect: ({ closed }) => ({ write: () => setImmediate(closed, 'ENOENT'), close: () => {} }),
  })
  program.receive(ask('aa'))
  return new Promise<void>((resolve) =>
    setImmediate(() => {
      expect(said.join('')).toBe('check-result|aa|error|cannot reach popauthd at /run/??|.sock: ENOENT\n')
      resolve()
    }),
  )
})

import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../lib/clock.ts'
import { BarScreen } from './scan-progress.ts'

function screenOf() {
  const clock = new ManualClock(0)
  let text = ''
  const terminal = Object.assign(
    new Writable({
      write: (chunk, _encoding, done) => {
        text += String(chunk)
        done()
      },
    }),
    { isTTY: true },
  )
  const screen = new BarScreen(terminal, clock)
  const taken = () => {
    const all = text
    text = ''
    return all
  }
  return { clock, screen, draw: (bar: string) => void screen.stream.write(bar), taken }
}

const OFF = '\r\u001b[K'

describe('the screen of the bar', () => {
  it('shows nothing in the first half second: neither a bar nor the removal of one', () => {
    const { clock, screen, draw, taken } = screenOf()
    draw('bar')
    clock.advance(499)
    draw('bar')
    screen.close()
    expect(taken()).toBe('')
  })

  it('takes the bar off before lines are shown, and keeps it off until all is quiet', () => {
    const { clock, screen, draw, taken } = screenOf()
    clock.advance(500)
    draw('bar')
    draw('bar 2')
    expect(taken()).toBe('barbar 2')
    screen.clear()
    clock.advance(400)
    screen.clear()
    clock.advance(499)
    draw('bar 3')
    expect(taken()).toBe(OFF)
    clock.advance(1)
    draw('bar 4')
    expect(taken()).toBe('bar 4')
  })

  it('lets the cursor jump nowhere, and is silent once it is closed', () => {
    const { clock, screen, draw, taken } = screenOf()
    clock.advance(500)
    for (const code of ['\u001b7', 'bar', '\u001b8']) draw(code)
    screen.close()
    clock.advance(1000)
    draw('bar 2')
    expect(taken()).toBe(`bar${OFF}`)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameDecoder, type Framing } from './frames.ts'

const counted = (text: string) => `${Buffer.byteLength(text)} ${text}`

/** All frames of these pieces; `undefined` for one that was too long. */
function framesOf(pieces: readonly (string | Buffer)[], framing: Framing = 'either', maxFrameBytes = 100) {
  const decoder = new FrameDecoder({ framing, maxFrameBytes })
  const frames: (string | undefined)[] = []
  // One by one: a frame is valid until the next is asked for.
  for (const piece of pieces)
    for (const frame of decoder.push(Buffer.from(piece))) frames.push(frame?.toString('latin1'))
  return { frames, broken: decoder.broken, partial: decoder.partial }
}

describe('framing', () => {
  it.each<[string, string, (string | undefined)[]]>([
    ['lines', '<22>one\n<22>two\n', ['<22>one', '<22>two']],
    ['counted frames', `${counted('<22>one')}${counted('<22>two')}`, ['<22>one', '<22>two']],
    [
      'both on one connection',
      `${counted('<22>one')}<22>two\n${counted('<22>three')}`,
      ['<22>one', '<22>two', '<22>three'],
    ],
    ['a counted frame with line feeds', counted('<22>one\n<22>two\n'), ['<22>one\n<22>two\n']],
    ['a line feed behind a counted frame', `${counted('<22>one')}\n\n<22>two\n`, ['<22>one', '<22>two']],
    ['a line of digits, which is no length', '2026-11-22 one\n<22>two\n', ['2026-11-22 one', '<22>two']],
    ['a length of nothing', '0 <22>one\n<22>two\n', ['0 <22>one', '<22>two']],
    ['a line that is too long', `<22>${'x'.repeat(97)}\n<22>two\n`, [undefined, '<22>two']],
    ['a line of the longest length', `<22>${'x'.repeat(96)}\n<22>two\n`, [`<22>${'x'.repeat(96)}`, '<22>two']],
    ['a counted frame that is too long', `101 <22>${'x'.repeat(97)}<22>two\n`, [undefined, '<22>two']],
    ['empty lines', '\n\n<22>one\n\n', ['<22>one']],
    ['CR LF: the CR is left for others to refuse', '<22>one\r\n', ['<22>one\r']],
  ])('%s', (_name, bytes, frames) => {
    expect(framesOf([bytes])).toEqual({ frames, broken: undefined, partial: false })
    expect(framesOf([...bytes])).toEqual({ frames, broken: undefined, partial: false })
  })

  it.each<[string, string, (string | undefined)[]]>([
    ['a length that is wrong: text in place of a message', `3 abc${counted('<22>one')}`, []],
    ['a length that is too small', `${counted('<22>one')}8 <22>twelveNov 22 <22>forged\n`, ['<22>one', '<22>twel']],
    ['a length without end behind a counted frame', `${counted('<22>one')}123456789 x`, ['<22>one']],
  ])('gives up at %s', (_name, bytes, frames) => {
    expect(framesOf([bytes])).toMatchObject({ frames, broken: expect.any(String) })
    expect(framesOf([...bytes])).toMatchObject({ frames, broken: expect.any(String) })
  })

  it.each(['<22>one\n', '\n', '0 <22>one', '99999999 <22>one', '5x<22>one'])(
    'octet counting alone: refuses %j',
    (bytes) => {
      expect(framesOf([bytes, counted('<22>two')], 'octet-counting')).toMatchObject({
        frames: [],
        broken: expect.any(String),
      })
    },
  )

  it('gives no frame that is not whole', () => {
    expect(framesOf(['<22>one'])).toEqual({ frames: [], broken: undefined, partial: true })
    expect(framesOf(['12 <22>one'])).toEqual({ frames: [], broken: undefined, partial: true })
    expect(framesOf(['1'])).toEqual({ frames: [], broken: undefined, partial: true })
  })
})

describe('any bytes', () => {
  const bytes = fc.oneof(
    fc.constantFrom(
      '<',
      '\n',
      '\r',
      '\0',
      ' ',
      '0',
      '1',
      '9',
      '12 ',
      '3 <1',
      '<22>',
      'x',
      '99 ',
      '101 ',
      '1234567 ',
      '12345678 ',
    ),
    fc.string({ maxLength: 30 }),
    fc.string({ maxLength: 120 }).map((text) => counted(`<${text}`)),
  )
  const stream = fc.array(bytes, { maxLength: 20 }).map((parts) => Buffer.from(parts.join(''), 'latin1'))
  const framing = fc.constantFrom<Framing>('either', 'octet-counting')

  it('give the same frames however they are split', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(200)), framing, (all, cuts, mode) => {
        const places = [...new Set(cuts.map((cut) => cut % (all.length + 1)))].sort((a, b) => a - b)
        const pieces = [0, ...places].map((from, index) => all.subarray(from, places[index] ?? all.length))
        expect(framesOf(pieces, mode)).toEqual(framesOf([all], mode))
      }),
    )
  })

  it('never give a frame longer than allowed, nor an empty one', () => {
    fc.assert(
      fc.property(stream, framing, (all, mode) => {
        for (const frame of framesOf([all], mode).frames)
          expect(frame === undefined || (frame.length > 0 && frame.length <= 100)).toBe(true)
      }),
    )
  })

  it('that are counted frames come out as they went in', () => {
    const message = fc.uint8Array({ maxLength: 96 }).map((rest) => Buffer.concat([Buffer.from('<22>'), rest]))
    fc.assert(
      fc.property(fc.array(message), framing, (messages, mode) => {
        const all = Buffer.concat(messages.flatMap((one) => [Buffer.from(`${one.length} `), one]))
        const { frames, broken } = framesOf([all], mode)
        expect(broken).toBeUndefined()
        expect(frames).toEqual(messages.map((one) => one.toString('latin1')))
      }),
    )
  })
})

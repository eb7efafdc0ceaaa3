import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planSegments, SEGMENT_BYTES, SegmentReader } from './segments.ts'

const WORD = 'Login: '

/** What the segments of `bytes` tell: the text of each found line by its number, and the number of lines. */
function read(path: string, size: number, during: () => void = () => {}) {
  const fd = openSync(path, 'r')
  try {
    const plan = planSegments([WORD], fd, size)
    if (plan === undefined) throw new Error('no vectors on this machine')
    const found = new Map<number, string>()
    let lines = 0
    for (const { chunk, tell } of new SegmentReader(plan).segments()) {
      lines += tell((start, end, _string, linesBefore) =>
        found.set(lines + linesBefore + 1, chunk.toString('latin1', start, end)),
      )
      during()
    }
    return { found, lines }
  } finally {
    closeSync(fd)
  }
}

describe('SegmentReader', () => {
  let folder: string
  let path: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'popauthd-segments-'))
    path = join(folder, 'log')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function expectAll(text: string): void {
    writeFileSync(path, text, 'latin1')
    const all = text.split('\n')
    if (all.at(-1) === '') all.pop()
    const { found, lines } = read(path, text.length)
    expect(lines).toBe(all.length)
    const wanted = all.flatMap((line, i) => (line.includes(WORD) ? [`${i + 1} ${line}`] : []))
    const told = [...found].map((each) => each.join(' '))
    expect(told.length).toBe(wanted.length)
    expect(told.filter((text, i) => text !== wanted[i]).slice(0, 3)).toEqual([])
  }

  it.each([-3, -2, -1, 0, 1, 2, 3])('keeps a line whole whose end is %d bytes from the end of a segment', (shift) => {
    const login = `x ${WORD}alice`
    for (const end of ['\n', '']) {
      const first = `${'n'.repeat(99)}\n`.repeat(Math.floor((SEGMENT_BYTES - 300) / 100))
      const padding = 'p'.repeat(SEGMENT_BYTES - first.length - 1 - login.length - 1 + shift)
      expectAll(`${first}${padding}\n${login}\n${login} 2\nn\n${login} 3${end}`)
    }
  })

  it.each([-2, -1, 0, 1, 2])('reads a file that ends %d bytes from the end of its second segment', (shift) => {
    for (const end of ['\n', 'z']) {
      const line = `${WORD}${'b'.repeat(92)}\n`
      const text = line.repeat(Math.ceil((2 * SEGMENT_BYTES) / 100)).slice(0, 2 * SEGMENT_BYTES + shift - 1)
      expectAll(`${text}${end}`)
    }
  })

  it('goes on where more was found than there is room for', () => {
    expectAll(`${WORD}${WORD}\n`.repeat(150_000))
  })

  it('leaves out a line that is longer than any login, and counts it', () => {
    writeFileSync(path, `a\n${WORD.repeat(300_000)}\n${WORD}b\n`)
    expect(read(path, 2_100_012)).toEqual({ found: new Map([[3, `${WORD}b`]]), lines: 3 })
  })

  it('ends where the file ends that was cut meanwhile', () => {
    writeFileSync(path, `${WORD}\n`.repeat(500_000))
    const { lines } = read(path, 4_000_000, () => truncateSync(path, 1_500_000))
    expect(lines).toBe(1_500_000 / 8)
  })
})

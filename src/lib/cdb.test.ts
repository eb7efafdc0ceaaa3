// cdb files are read back by a reader of the test's own, written after the description of the format.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCdb } from '../../test/support/cdb-reader.ts'
import { type CdbEntry, cdbFile, cdbRecords } from './cdb.ts'

async function fileOf(...slices: Iterable<CdbEntry>[]): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of cdbFile(slices)) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('a cdb file', () => {
  it('is the header alone where there is no entry', async () => {
    const file = await fileOf()
    expect(file.length).toBe(2048)
    for (let at = 0; at < 2048; at += 8) expect([file.readUInt32LE(at), file.readUInt32LE(at + 4)]).toEqual([2048, 0])
  })

  it('has the bytes that the description of the format asks for', async () => {
    const file = await fileOf([{ key: 'one', data: 'Hello' }])
    // The record, and the two slots of its table:
    const record = '\x03\0\0\0\x05\0\0\0oneHello'
    expect(file.subarray(2048, 2064).toString('latin1')).toBe(record)
    expect(file.length).toBe(2064 + 16)
    const hash = [...'one'].reduce((sum, letter) => ((sum * 33) ^ letter.charCodeAt(0)) >>> 0, 5381)
    const table = (hash & 255) * 8
    expect([file.readUInt32LE(table), file.readUInt32LE(table + 4)]).toEqual([2064, 2])
    const slot = 2064 + ((hash >>> 8) % 2) * 8
    expect([file.readUInt32LE(slot), file.readUInt32LE(slot + 4)]).toEqual([hash, 2048])
  })

  it('gives each key its data, whatever bytes both hold', async () => {
    const bytes = fc.uint8Array({ maxLength: 12 })
    const entries = fc.uniqueArray(fc.tuple(bytes, bytes), { selector: ([key]) => key.join(), maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(entries, async (pairs) => {
        const cdb = readCdb(await fileOf(pairs.map(([key, data]) => ({ key, data }))))
        for (const [key, data] of pairs) expect(cdb.find(key)).toEqual(Buffer.from(data))
        expect(cdb.entries()).toEqual(pairs.map(([key, data]) => [Buffer.from(key), Buffer.from(data)]))
      }),
      { numRuns: 60 },
    )
  })

  it('finds the first of several entries with one key, and nothing for a key that is not there', async () => {
    const cdb = readCdb(await fileOf([{ key: 'k', data: '1' }], [{ key: 'k', data: '2' }]))
    expect(cdb.find(Buffer.from('k'))?.toString()).toBe('1')
    expect(cdb.find(Buffer.from('kk'))).toBeUndefined()
    expect(cdb.find(Buffer.from(''))).toBeUndefined()
  })

  it('takes entries larger than its pieces', async () => {
    const data = Buffer.alloc(700_000, 'x')
    const cdb = readCdb(
      await fileOf([
        { key: 'a', data: 'small' },
        { key: 'b', data },
        { key: 'c', data: 'small' },
      ]),
    )
    expect(cdb.find(Buffer.from('b'))?.equals(data)).toBe(true)
    expect(cdb.find(Buffer.from('c'))?.toString()).toBe('small')
  })

  it('lets others have their turns while it takes in one long slice and makes its tables', async () => {
    const count = 100_000
    function* entries() {
      for (let i = 0; i < count; i++) yield { key: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, data: 'OK' }
    }
    let turns = 0
    let isOver = false
    const others = () => {
      turns++
      if (!isOver) setImmediate(others)
    }
    setImmediate(others)
    const cdb = readCdb(await fileOf(entries()))
    isOver = true
    expect(turns).toBeGreaterThan(count / 5000)
    for (const i of [0, 1, 65_535, 65_536, count - 1])
      expect(cdb.find(Buffer.from(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`))?.toString()).toBe('OK')
  })

  it('is refused past its limit, which is 4 GiB, before anything is yielded', async () => {
    const pull = async (mostBytes: number | undefined, entry: CdbEntry) => {
      const endless = (function* () {
        for (;;) yield [entry]
      })()
      return (await cdbFile(endless, mostBytes).next()).value
    }
    await expect(pull(5000, { key: 'k', data: 'd' })).rejects.toThrow(/entries fill a cdb file: .* 5000 bytes/)
    const full = Array.from({ length: 40 }, (_, i) => ({ key: String(i + 10), data: '' }))
    const exactly = (await fileOf(full)).length
    await expect(cdbFile([full], exactly).next()).resolves.toMatchObject({ done: false })
    await expect(cdbFile([full], exactly - 1).next()).rejects.toThrow(/39 entries fill/)
    const tooLong = { key: 'k', data: { length: 0xffff_ffff } as unknown as Uint8Array }
    await expect(pull(undefined, tooLong)).rejects.toThrow(/4294967295 bytes/)
  })

  it('refuses text that is no bytes', async () => {
    await expect(fileOf([{ key: 'caf\u0119', data: '' }])).rejects.toThrow(/character 281 is no byte/)
  })
})

describe('the records of a cdb file', () => {
  const records = (file: Buffer) => [...cdbRecords(file)]

  it('come in their order, those with one key too', async () => {
    const entries = [
      { key: 'a', data: '1\xff' },
      { key: '', data: '' },
      { key: 'a', data: '2' },
    ]
    expect(records(await fileOf(entries))).toEqual(entries)
    expect(records(await fileOf())).toEqual([])
  })

  it('end where the file is no longer whole, whatever it holds', async () => {
    const whole = await fileOf([
      { key: 'one', data: 'Hello' },
      { key: 'two', data: 'World' },
    ])
    expect(records(whole.subarray(0, 2048 + 16 + 10))).toEqual([{ key: 'one', data: 'Hello' }])
    expect(records(Buffer.from('no cdb'))).toEqual([])
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const broken = Buffer.from(whole)
        broken[at] = byte
        expect(records(broken).length).toBeLessThan(whole.length)
      }),
    )
  })
})

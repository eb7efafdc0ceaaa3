// Reads cdb files, by the description of the format (cdb(5)) and independent of the writer.

/** A look into a cdb file. */
export interface Cdb {
  /** The data of `key`, found through the hash tables as a mail server would. */
  find(key: Uint8Array): Buffer | undefined
  /** All records in their order in the file. */
  entries(): [Buffer, Buffer][]
}

/** @throws {RangeError} where a position leads out of the file */
export function readCdb(file: Buffer): Cdb {
  const number = (at: number) => file.readUInt32LE(at)
  const recordAt = (at: number): [Buffer, Buffer] => {
    const keyEnd = at + 8 + number(at)
    const end = keyEnd + number(at + 4)
    if (end > file.length) throw new RangeError(`the record at ${at} ends outside the file`)
    return [file.subarray(at + 8, keyEnd), file.subarray(keyEnd, end)]
  }
  const find = (key: Uint8Array) => {
    const hash = key.reduce((sum, byte) => ((Math.imul(sum, 33) >>> 0) ^ byte) >>> 0, 5381)
    const [table, slots] = [number((hash % 256) * 8), number((hash % 256) * 8 + 4)]
    for (let tries = 0; tries < slots; tries++) {
      const slot = table + (((Math.floor(hash / 256) % slots) + tries) % slots) * 8
      if (number(slot + 4) === 0) return undefined
      const [found, data] = recordAt(number(slot + 4))
      if (number(slot) === hash && found.equals(key)) return data
    }
    return undefined
  }
  const entries = () => {
    const firstTable = Math.min(...Array.from({ length: 256 }, (_, index) => number(index * 8)))
    const all: [Buffer, Buffer][] = []
    for (let at = 2048; at < firstTable; at += 8 + number(at) + number(at + 4)) all.push(recordAt(at))
    return all
  }
  return { find, entries }
}

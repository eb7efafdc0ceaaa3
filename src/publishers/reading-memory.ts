/** What was read last of the operator's own files, in a file beside the map: a later run goes by it where they cannot be read from its start. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { OwnFile } from './own-files.ts'
import { replaceFile } from './replace-file.ts'

/** Outlives the process. */
export interface ReadingMemory {
  /** Takes the JSON of the files (path, text) as they are in force from now on. @throws {PublishError} */
  keep(text: string): Promise<void>
  /** What was kept last; undefined where that is nothing that can be used. */
  recall(): Promise<readonly OwnFile[] | undefined>
}

/** The name ends in `~`: makesmtpaccess passes over such files, should the map lie in its directory. */
const SUFFIX = '.rules-read~'

/** The memory of the map at `path`. The file is for popauthd alone: it repeats what the operator may have kept from others. */
export function memoryBeside(path: string): ReadingMemory {
  const file = `${path}${SUFFIX}`
  return {
    keep: async (text) => {
      if ((await textOf(file)) !== text) await replaceFile(file, [text], { mode: 0o600 })
    },
    recall: async () => {
      const text = await textOf(file)
      return text === undefined ? undefined : filesIn(text)
    },
  }
}

/** Undefined for what popauthd cannot have written: links and pipes are not followed, since root may run this. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    return (await file.stat()).isFile() ? await file.readFile('latin1') : undefined
  } catch {
    return undefined
  }
}

function filesIn(text: string): OwnFile[] | undefined {
  try {
    const files: unknown = JSON.parse(text)
    return Array.isArray(files) && files.every(isOwnFile) ? files : undefined
  } catch {
    return undefined
  }
}

function isOwnFile(value: unknown): value is OwnFile {
  const { path, text } = (value ?? {}) as Partial<Record<keyof OwnFile, unknown>>
  return typeof path === 'string' && typeof text === 'string'
}

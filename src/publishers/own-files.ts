/** Files of the operator's own that go into a map together with the table: read, and watched for changes. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PublishError, reasonOf } from '../errors.ts'
import { identityOf } from './file-identity.ts'

/** One of them. */
export interface OwnFile {
  readonly path: string
  /** Each character a byte (Latin-1). */
  readonly text: string
}

/** What is read, and how a change is noticed. */
export interface OwnFiles {
  /** Where changes show. */
  readonly directories: readonly string[]
  /** Which files there are and as what, as one string to compare with a later one. Never throws. */
  identity(): Promise<string>
  /** @throws {PublishError} where one cannot be read */
  read(): Promise<readonly OwnFile[]>
}

/** One file. */
export function ownFile(path: string): OwnFiles {
  return {
    directories: [dirname(path)],
    identity: () => identityOf(path),
    read: async () => [await readOwn(path)],
  }
}

/** The regular files (links are followed) of `directory` whose name `isMeant`, but not the one that is `except` under another name. */
export function ownDirectory(directory: string, isMeant: (name: string) => boolean, except: string): OwnFiles {
  const paths = async () =>
    (await filesOf(directory, except)).filter(({ name }) => isMeant(name)).map(({ path }) => path)
  return {
    directories: [directory],
    identity: async () => {
      const present = await paths().catch(() => undefined)
      if (present === undefined) return identityOf(directory)
      return (await Promise.all(present.map(async (path) => `${path} ${await identityOf(path)}`))).join('\n')
    },
    read: async () => {
      try {
        return await Promise.all((await paths()).map(readOwn))
      } catch (error) {
        throw error instanceof PublishError ? error : cannotRead(directory, error)
      }
    },
  }
}

async function filesOf(directory: string, except: string): Promise<{ name: string; path: string }[]> {
  const own = await realpath(except).catch(() => except)
  const found: { name: string; path: string }[] = []
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name)
    const target = await realpath(path).catch(() => undefined)
    if (target === undefined || target === own) continue
    if ((await stat(target)).isFile()) found.push({ name, path })
  }
  return found
}

async function readOwn(path: string): Promise<OwnFile> {
  try {
    return { path, text: await readFile(path, 'latin1') }
  } catch (error) {
    throw cannotRead(path, error)
  }
}

function cannotRead(path: string, error: unknown): PublishError {
  return new PublishError(`cannot read ${path}: ${reasonOf(error)}`, {
    retryable: true,
    mend: 'it must be there, and the user popauthd runs as must be able to read it',
    cause: error,
  })
}

/**
 * `maps.json` in the state directory: which maps popauthd keeps, whole enough to make their publishers again when they have left the configuration.
 * It names files to replace and programs to run, so that only a file is heeded that nobody but the daemon's user, or root, can have written.
 */
import { constants, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Config, MapConfig, SendmailAccessConfig } from '../../config/config.ts'
import { reasonOf, TableError } from '../../errors.ts'
import { writeFileAtomically } from '../../lib/atomic-file.ts'
import { otherOwnerOf } from '../../lib/directory-owner.ts'

/** One map as configured: an entry of `maps`, or the access map of sendmail. */
export type KeptMap = MapConfig | KeptAccessMap

type KeptAccessMap = Omit<SendmailAccessConfig, 'enabled'> & { readonly format: 'sendmail_access' }

const FILE_NAME = 'maps.json'
/** It may hold what is secret: arguments of commands. */
const FILE_MODE = 0o600
const LARGEST_FILE = 1024 * 1024

const path = z.string().startsWith('/')
const anyMap = { gatherMilliseconds: z.number(), command: z.array(z.string()) }
const maybe = (text: z.ZodType<string>) => text.optional().transform((value) => value)
const fileMap = { ...anyMap, path, mode: z.number().int().min(0).max(0o777), group: maybe(z.string()) }
const format = <Name extends string>(...names: [Name, ...Name[]]) => z.enum(names)

const keptMap = z.discriminatedUnion('format', [
  z.strictObject({ format: format('exim_list', 'exim_iplsearch', 'exim_cdb', 'opensmtpd'), ...fileMap }),
  z.strictObject({
    format: format('postfix'),
    ...fileMap,
    mapType: z
      .enum(['lmdb', 'cdb', 'hash', 'btree'])
      .optional()
      .transform((value) => value),
  }),
  z.strictObject({ format: format('tcprules'), ...fileMap, rules: maybe(path) }),
  z.strictObject({ format: format('courier'), ...fileMap, rules: path }),
  z.strictObject({
    format: format('nftables'),
    ...anyMap,
    table: z.string(),
    setIpv4: z.string(),
    setIpv6: z.string(),
    setAlwaysIpv4: z.string(),
    setAlwaysIpv6: z.string(),
  }),
  z.strictObject({ format: format('command'), ...anyMap }),
  z.strictObject({
    format: format('sendmail_access'),
    path,
    mapType: z.string(),
    makemapCommand: z.array(z.string()),
    editmapCommand: z.array(z.string()),
    taggedKeys: z.boolean(),
    gatherMilliseconds: z.number(),
    writeInfo: z.boolean(),
  }),
])
const schema = z.strictObject({ version: z.literal(1), maps: z.array(keptMap) })

/** The maps of a configuration. */
export function mapsOf({ sendmailAccess: { enabled, ...access }, maps }: Config): readonly KeptMap[] {
  return enabled ? [{ format: 'sendmail_access', ...access }, ...maps] : maps
}

/** What two maps have in common that are the same entry. */
export function textOfMap(map: KeptMap): string {
  return JSON.stringify(keptMap.parse(JSON.parse(JSON.stringify(map))))
}

/** Where the file of a state directory lies. */
export function keptMapsPath(stateDirectory: string): string {
  return join(stateDirectory, FILE_NAME)
}

/** None where there is no file. @throws {TableError} for one that cannot be read or understood as a whole, or that others may have written */
export async function readKeptMaps(file: string): Promise<readonly KeptMap[]> {
  const text = await readOwn(file)
  if (text === undefined) return []
  const result = schema.safeParse(jsonOf(file, text))
  if (result.success) return result.data.maps
  const issue = result.error.issues[0]
  throw unusable(file, `${issue?.path.join('.') || 'it'}: ${issue?.message}`)
}

/** Resolves once the file is on disk. @throws {TableError} the old file then stands */
export async function writeKeptMaps(file: string, maps: readonly KeptMap[]): Promise<void> {
  try {
    await writeFileAtomically(file, `${JSON.stringify({ version: 1, maps }, undefined, 2)}\n`, FILE_MODE)
  } catch (error) {
    throw new TableError(`cannot note in ${file} which maps popauthd keeps: ${reasonOf(error)}`, {
      mend: 'make room, or give the directory to the user that popauthd runs as: until then a map that leaves the configuration may stay as it is',
      cause: error,
    })
  }
}

async function readOwn(file: string): Promise<string | undefined> {
  try {
    // A link leads elsewhere, and a pipe would be waited for.
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = await handle.stat()
      if (!stats.isFile()) throw unusable(file, 'it is no file')
      if (!owners(dirname(file)).includes(stats.uid)) throw unusable(file, `it belongs to user ${stats.uid}`)
      if ((stats.mode & 0o022) !== 0 || stats.nlink > 1) throw unusable(file, 'others may have written it')
      if (stats.size > LARGEST_FILE) throw unusable(file, 'it is far too large')
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof TableError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unusable(file, reasonOf(error), error)
  }
}

/** Whose file may be read: one's own, and root's; for root in the directory of another user that one's, too: what root writes there goes to that user. */
function owners(directory: string): number[] {
  return [0, process.geteuid?.() ?? 0, ...[otherOwnerOf(directory)?.uid ?? []].flat()]
}

// What the file holds is not told: it may be another's.
function jsonOf(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unusable(file, 'it is not JSON')
  }
}

function unusable(file: string, why: string, cause?: unknown): TableError {
  return new TableError(`cannot tell from ${file} which maps are no longer configured: ${why}`, {
    mend: 'run popauthd as the owner of its state directory; where the file is damaged, empty by hand the maps that popauthd no longer keeps, then delete it: it is made anew',
    cause,
  })
}

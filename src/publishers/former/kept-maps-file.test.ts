import { chmodSync, linkSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { type KeptMap, keptMapsPath, mapsOf, readKeptMaps, textOfMap, writeKeptMaps } from './kept-maps-file.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-kept-'))
  path = keptMapsPath(directory)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** One of each format, bare and with all that it may have. */
function everyMap(): readonly KeptMap[] {
  const file = { mode: '0640', group: '0', gather_milliseconds: 7 }
  const { config } = loadConfig({
    env: {},
    overrides: {
      state_directory: directory,
      sendmail_access: { enabled: true, path: '/m/access', map_type: 'cdb' },
      maps: [
        { format: 'postfix', path: '/m/postfix' },
        { format: 'postfix', path: '/m/postfix2', map_type: 'lmdb', command: ['/m/postmap', '-c', '/m'], ...file },
        { format: 'exim_list', path: '/m/list', ...file },
        { format: 'exim_iplsearch', path: '/m/ips' },
        { format: 'exim_cdb', path: '/m/cdb' },
        { format: 'opensmtpd', path: '/m/smtpd', command: ['/bin/true'] },
        { format: 'tcprules', path: '/m/tcp.cdb' },
        { format: 'tcprules', path: '/m/tcp2.cdb', rules: '/m/tcp' },
        { format: 'courier', path: '/m/courier', command: ['/bin/true'] },
        { format: 'nftables', table: 'ip t', set_ipv4: 'four' },
        { format: 'command', command: ['/m/script', 'with', 'arguments'] },
      ],
    },
  })
  return mapsOf(config)
}

it('gives every kind of map back as it was', async () => {
  const maps = everyMap()
  await writeKeptMaps(path, maps)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const read = await readKeptMaps(path)
  expect(read).toEqual(maps)
  expect(read.map(textOfMap)).toEqual(maps.map(textOfMap))
})

it('has none where there is no file', async () => {
  expect(await readKeptMaps(path)).toEqual([])
})

describe('is not heeded, and stays as it is', () => {
  const refused = (why: string) => expect(readKeptMaps(path)).rejects.toThrow(why)

  beforeEach(() => writeKeptMaps(path, everyMap()))

  it('where others may write to it', async () => {
    chmodSync(path, 0o620)
    await refused('others may have written it')
  })

  it('where it has another name as well', async () => {
    linkSync(path, join(directory, 'other'))
    await refused('others may have written it')
  })

  it('where it is a link', async () => {
    rmSync(path)
    await writeKeptMaps(join(directory, 'other'), everyMap())
    symlinkSync(join(directory, 'other'), path)
    await refused('cannot tell from')
  })

  it.each([
    ['not JSON', 'root:x:0:0:root', 'it is not JSON'],
    ['of another version', '{"version":2,"maps":[]}', 'version'],
    ['of an unknown format', '{"version":1,"maps":[{"format":"other"}]}', 'maps.0.format'],
    ['with a relative path', '{"version":1,"maps":[{"format":"exim_list","path":"x"}]}', 'maps.0'],
  ])('where it is %s', async (_, text, why) => {
    writeFileSync(path, text, { mode: 0o600 })
    await refused(why)
    await expect(readKeptMaps(path)).rejects.not.toThrow('root:x')
  })
})

it.runIf(process.geteuid?.() === 0)('is not heeded where it belongs to somebody else', async () => {
  await writeKeptMaps(path, [])
  const { chownSync } = await import('node:fs')
  chownSync(path, 12_345, 12_345)
  await expect(readKeptMaps(path)).rejects.toThrow('it belongs to user 12345')
})

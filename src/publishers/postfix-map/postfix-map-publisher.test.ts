// What the publisher asks of postmap, seen by a postmap that writes down how it was called: keys are kept in a text file.
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Authorization, TableChange } from '../../core/authorization.ts'
import { type ClientAddress, parseNetwork } from '../../core/client-address.ts'
import { ManualClock } from '../../lib/clock.ts'
import { PostfixMapPublisher } from './postfix-map-publisher.ts'

const POSTMAP = `#!/bin/sh
echo "$*" | sed "s#$HERE/##g" >> "$HERE/calls"
for table; do :; done
file=\${table#*:}.\${table%%:*}
case $1 in
  -i) [ -e "$HERE/refuse" ] && { echo 'cannot lock' >&2; exit 1; }; cat >> "$file" ;;
  -d) while read -r key; do grep -q "^$key	" "$file" && found=1; sed -i "/^$key	/d" "$file"; done; [ -n "$found" ] || exit 1 ;;
  *) cp "\${table#*:}" "$file" ;;
esac
`
const POSTCONF = `#!/bin/sh
[ "$1" = -m ] && printf 'cdb\\nlmdb\\n' || cat "$HERE/default"
`

let directory: string
const signal = new AbortController().signal
const table = new Set<string>()
const all = () => [[...table].map((address) => ({ address, reason: 'login', users: [] }) as unknown as Authorization)]
const change = (kind: TableChange['kind'], address: string): TableChange => {
  kind === 'ended' ? table.delete(address) : table.add(address)
  return { kind, address: address as ClientAddress, atMs: 0, reason: 'login' }
}
const make = (mapType: 'lmdb' | 'hash' | 'cdb' | undefined) =>
  new PostfixMapPublisher({
    path: join(directory, 'map'),
    mapType,
    command: [join(directory, 'postmap')],
    rights: { mode: 0o640 },
    ipv6Prefix: 128,
    stateDirectory: '/nowhere',
    clock: new ManualClock(0),
  })
const calls = async () => (await readFile(join(directory, 'calls'), 'latin1')).trim().split('\n')
const keys = async () => (await readFile(join(directory, 'map.lmdb'), 'latin1')).split('\n').filter(Boolean).sort()

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
  table.clear()
  for (const [name, text] of Object.entries({ postmap: POSTMAP, postconf: POSTCONF })) {
    await writeFile(join(directory, name), text.replaceAll('$HERE', directory))
    await chmod(join(directory, name), 0o755)
  }
  await writeFile(join(directory, 'default'), 'lmdb\n')
})
afterEach(() => rm(directory, { recursive: true }))

it('changes single entries in place, closing before it opens, and leaves nothing beside', async () => {
  const publisher = make('lmdb')
  await publisher.publish([change('granted', '192.0.2.1')], all, signal)
  await publisher.publish([change('granted', '192.0.2.2'), change('ended', '192.0.2.1')], all, signal)
  expect(await keys()).toEqual(['192.0.2.2\tOK'])
  expect(await calls()).toEqual(['lmdb:map.lmdb.popauthd-new', '-d - lmdb:map', '-i -r lmdb:map'])
  expect((await readdir(directory)).sort()).toEqual(['calls', 'default', 'map.lmdb', 'postconf', 'postmap'])
})

it('makes the table anew where a change is refused, and where somebody else changed it', async () => {
  const publisher = make('lmdb')
  await publisher.resync(all, signal)
  await writeFile(join(directory, 'refuse'), '')
  await publisher.publish([change('granted', '192.0.2.1')], all, signal)
  expect(await keys()).toEqual(['192.0.2.1\tOK'])
  await writeFile(join(directory, 'map.lmdb'), '203.0.113.9\tOK\n')
  await publisher.publish([], all, signal)
  expect(await keys()).toEqual(['192.0.2.1\tOK'])
})

it('keeps an address that is always open when its login ends, and takes it out at the close', async () => {
  const publisher = make('lmdb')
  publisher.setAlways([parseNetwork('192.0.2.0/31') ?? expect.fail()])
  await publisher.publish([change('granted', '192.0.2.1'), change('granted', '192.0.2.7')], all, signal)
  await publisher.publish([change('ended', '192.0.2.1')], all, signal)
  expect(await keys()).toEqual(['192.0.2.0\tOK', '192.0.2.1\tOK', '192.0.2.7\tOK'])
  await publisher.closeAll(signal)
  expect(await keys()).toEqual([])
})

it('changes no other file where the table is a link to one without its suffix', async () => {
  await writeFile(join(directory, 'table-1234'), '')
  await symlink('table-1234', join(directory, 'map.lmdb'))
  const publisher = make('lmdb')
  for (const address of ['192.0.2.1', '192.0.2.2']) await publisher.publish([change('granted', address)], all, signal)
  await publisher.publish([change('ended', '192.0.2.1')], all, signal)
  expect(await keys()).toEqual(['192.0.2.2\tOK'])
  expect((await readdir(directory)).sort()).toEqual([
    'calls',
    'default',
    'map.lmdb',
    'postconf',
    'postmap',
    'table-1234',
  ])
})

it('takes the type that Postfix says, and refuses one that it cannot keep or Postfix does not have', async () => {
  const publisher = make(undefined)
  await publisher.resync(all, signal)
  expect(await keys()).toEqual([])
  await writeFile(join(directory, 'default'), 'dbm\n')
  await expect(make(undefined).resync(all, signal)).rejects.toMatchObject({ retryable: false, message: /"dbm"/ })
  await expect(make('hash').resync(all, signal)).rejects.toMatchObject({ mend: /postfix-hash.*map_type/ })
})

it('needs no Postfix for a cdb', async () => {
  await rm(join(directory, 'postmap'))
  await rm(join(directory, 'postconf'))
  await make('cdb').resync(all, signal)
  expect(await readdir(directory)).toContain('map.cdb')
})

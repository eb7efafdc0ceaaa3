/** What files the publisher makes and keeps, and which keys stand in them. */
import { chmod, chown, mkdir, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  AT,
  address,
  all,
  change,
  entries,
  expectTextAndMapAgree,
  home,
  make,
  map,
  path,
  read,
  signal,
  table,
  tools,
} from '../../../test/support/access-map.ts'
import type { TableChange } from '../../core/authorization.ts'
import { type Network, parseNetwork } from '../../core/client-address.ts'

describe('the sendmail access map', () => {
  describe('files', () => {
    it('are made where there is nothing yet', async () => {
      table.set('192.0.2.1', ['alice', 'bob'])
      await make().resync(all, signal)
      expect((await readdir(join(home, 'mail'))).sort()).toEqual([
        'access',
        'access.db',
        'access.info',
        'access.static',
      ])
      expect(await entries()).toEqual(['Connect:192.0.2.1\tRELAY'])
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY'])
      const seconds = Math.floor(AT / 1000)
      expect(await read('.info')).toBe(
        `Mar  6 08:29:03\talice\t192.0.2.1\t${seconds}\nMar  6 08:29:03\tbob\t192.0.2.1\t${seconds}\n`,
      )
    })

    it('keep owner, group, mode and symbolic links', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      await mkdir(join(home, 'real'))
      for (const suffix of ['', '.db', '.info', '.static']) {
        await rename(path + suffix, join(home, 'real', `file${suffix}`))
        await symlink(join(home, 'real', `file${suffix}`), path + suffix)
        await chmod(path + suffix, 0o604)
        if (process.getuid?.() === 0) await chown(path + suffix, 4321, 1234)
      }
      table.set('192.0.2.1', ['alice'])
      await publisher.resync(all, signal)
      await publisher.publish([change('granted', '192.0.2.2')], all, signal)
      // Debian's makemap itself refuses a symbolic link.
      const real = await tools.dump(join(home, 'real', 'file'))
      expect(real).toEqual(['connect:192.0.2.1 RELAY', 'connect:192.0.2.2 RELAY'])
      for (const suffix of ['', '.db', '.info', '.static']) {
        const { mode, uid, gid } = await stat(join(home, 'real', `file${suffix}`))
        expect(mode & 0o7777, suffix).toBe(0o604)
        if (process.getuid?.() === 0) expect([uid, gid], suffix).toEqual([4321, 1234])
      }
    })

    it('do not begin with a map whose entries would be lost', async () => {
      await writeFile(`${path}.db`, 'a map')
      await expect(make().resync(all, signal)).rejects.toThrow(/would be lost/)
      expect(await read('.db')).toBe('a map')
    })

    it('get a directory below the state directory, which sendmail can pass', async () => {
      await mkdir(join(home, 'state'), { mode: 0o711 })
      await make({ path: join(home, 'state', 'sendmail', 'access') }).resync(all, signal)
      expect((await stat(join(home, 'state', 'sendmail'))).mode & 0o7777).toBe(0o755)
    })

    it.runIf(process.getuid?.() === 0)(
      'made by root belong to the owner of the directory, the map readable by everybody',
      async () => {
        await mkdir(join(home, 'state'))
        await chmod(home, 0o755)
        for (const name of ['state', 'mail']) await chown(join(home, name), 4321, 1234)
        const below = join(home, 'state', 'sendmail')
        for (const directory of [below, join(home, 'mail')]) {
          table.set('192.0.2.1', ['alice'])
          const publisher = make({ path: join(directory, 'access') })
          await publisher.resync(all, signal)
          for (const name of ['.', ...(await readdir(directory))]) {
            expect([name, await stat(join(directory, name))]).toMatchObject([name, { uid: 4321, gid: 1234 }])
          }
          expect((await stat(join(directory, 'access.db'))).mode & 0o777).toBe(0o644)
          await publisher.publish([change('granted', '192.0.2.2')], all, signal)
          expect(await stat(join(directory, 'access.db'))).toMatchObject({ uid: 4321, gid: 1234 })
        }
      },
    )

    it('are not needed to know the vetoes', async () => {
      await writeFile(`${path}.static`, '192.0.2 REJECT\n')
      const publisher = make()
      await publisher.loadStatic()
      expect(publisher.staticEntries.vetoFor(address('192.0.2.1'))).toMatchObject({ line: 1 })
      expect(await readdir(join(home, 'mail'))).toEqual(['access.static'])
    })

    it('say what is wrong when one cannot be used', async () => {
      await mkdir(`${path}.static`)
      await expect(make().resync(all, signal)).rejects.toThrow(/cannot read .*access\.static: it is a directory/)
      const missing = make({ path: join(home, 'nowhere', 'access') })
      await expect(missing.resync(all, signal)).rejects.toMatchObject({
        mend: expect.stringContaining('make the directory'),
      })
    })
  })

  describe('keys', () => {
    it('are untagged on request, and tagged where an OK would hide them', async () => {
      await writeFile(`${path}.static`, 'Connect:192.0.2.2 OK\n')
      for (const text of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) table.set(text, [])
      await make({ taggedKeys: false }).resync(all, signal)
      expect(await map()).toEqual(['192.0.2.1 RELAY', 'connect:192.0.2.2 RELAY', 'ipv6:2001:db8:0:0:0:0:0:1 RELAY'])
    })

    it('stand for networks too', async () => {
      table.set('2001:db8:0:1::', ['alice'])
      await make({}, { always: ['10.0.0.0/8', '2001:db8:f::/48'], ipv6Prefix: 64 }).resync(all, signal)
      expect(await map()).toEqual([
        'connect:10 RELAY',
        'connect:ipv6:2001:db8:0:1 RELAY',
        'connect:ipv6:2001:db8:f RELAY',
      ])
    })

    it('of networks can be changed by a reload, and stay where the new ones cannot be written', async () => {
      const publisher = make({}, { always: ['10.0.0.0/8'] })
      await publisher.resync(all, signal)
      expect(() => publisher.setAlways([parseNetwork('2001:db8::/36') as Network])).toThrow(/4096 keys/)
      await publisher.publish([], all, signal)
      expect(await map()).toEqual(['connect:10 RELAY'])
      publisher.setAlways([parseNetwork('172.16.0.0/16') as Network])
      await publisher.publish([], all, signal)
      expect(await map()).toEqual(['connect:172.16 RELAY'])
    })

    it('that cannot be written are refused at once', () => {
      expect(() => make({}, { always: ['2001:db8::/36'] })).toThrow(/4096 keys/)
      expect(() => make({}, { ipv6Prefix: 50 })).toThrow(/16384 keys/)
      expect(() => make({ mapType: 'dbm' })).toThrow(/type dbm/)
    })

    it('never open what a static entry closes', async () => {
      await writeFile(`${path}.static`, '192.0.2 REJECT\nIPv6:2001:db8:: ERROR:"550 no"\n')
      for (const text of ['192.0.2.1', '2001:db8::1', '198.51.100.1']) table.set(text, [])
      const publisher = make()
      await publisher.resync(all, signal)
      await publisher.publish([change('granted', '192.0.2.7')], all, signal)
      expect(await map()).toEqual(['192.0.2 REJECT', 'connect:198.51.100.1 RELAY', 'ipv6:2001:db8:: ERROR:"550 no"'])
    })

    it('of networks do not open what a static entry closes either', async () => {
      const refusals = ['192.0.2', '198.51.100.5', 'Connect:203.0.113.7', 'IPv6:2001', '10.1', '172.16.0.0/12']
      await writeFile(`${path}.static`, refusals.map((key) => `${key} REJECT\n`).join(''))
      const always = ['192.0.2.0/24', '198.51.100.4/30', '203.0.113.7', '2001:db8::/32', '10.0.0.0/8', '172.17.0.0/16']
      const publisher = make({}, { always })
      await publisher.resync(all, signal)
      const relaying = (await map()).filter((line) => line.endsWith(' RELAY'))
      expect(relaying).toEqual([
        'connect:10 RELAY',
        'connect:198.51.100.4 RELAY',
        'connect:198.51.100.6 RELAY',
        'connect:198.51.100.7 RELAY',
      ])
      await writeFile(`${path}.static`, 'Connect:203.0.113.8 REJECT\n')
      await publisher.resync(all, signal)
      expect(await map()).toContain('connect:192.0.2 RELAY')
    })

    it('stand once: a static RELAY stays when the login ends, an OK comes back', async () => {
      await writeFile(`${path}.static`, 'Connect:192.0.2.1 RELAY\nconnect:192.0.2.2 OK\n')
      const publisher = make()
      await publisher.resync(all, signal)
      const both = (kind: TableChange['kind']) => [change(kind, '192.0.2.1'), change(kind, '192.0.2.2')]
      await publisher.publish(both('granted'), all, signal)
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY', 'connect:192.0.2.2 RELAY'])
      await expectTextAndMapAgree()
      await publisher.publish(both('ended'), all, signal)
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY', 'connect:192.0.2.2 OK'])
      await expectTextAndMapAgree()
    })
  })
})

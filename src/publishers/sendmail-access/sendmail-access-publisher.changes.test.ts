/** How changes get into text, map and access.info, also where a tool fails. */
import { execFileSync } from 'node:child_process'
import { chmod, open, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  AT,
  all,
  change,
  clock,
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
import { waitFor } from '../../../test/support/wait-for.ts'

describe('the sendmail access map', () => {
  describe('changes', () => {
    it('keep text, map and access.info in step', async () => {
      await writeFile(`${path}.static`, '# mine\nexample.com REJECT\n')
      const publisher = make()
      await publisher.resync(all, signal)
      await publisher.publish([change('granted', '192.0.2.1'), change('granted', '192.0.2.2')], all, signal)
      await expectTextAndMapAgree()
      await publisher.publish([change('extended', '192.0.2.1', 'bob'), change('ended', '192.0.2.2')], all, signal)
      await expectTextAndMapAgree()
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY', 'example.com REJECT'])
      expect((await read('.info')).split('\n').map((line) => line.split('\t')[1])).toEqual(['alice', 'bob', undefined])
    })

    it('write the time of the login into access.info, not that of the reading', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      const readLater = { ...change('granted', '192.0.2.1'), atMs: AT + 55_000, loginMs: AT }
      await publisher.publish([readLater], all, signal)
      expect(await read('.info')).toBe(`Mar  6 08:29:03\talice\t192.0.2.1\t${Math.floor(AT / 1000)}\n`)
    })

    it('move the time of the replaced map on, twice, so that open sessions look again', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      const future = Math.floor(AT / 1000) + 500
      for (const before of [Math.floor(AT / 1000) - 100, future]) {
        await utimes(`${path}.db`, before, before)
        const session = await open(`${path}.db`, 'r')
        await publisher.resync(all, signal)
        const first = (await session.stat()).mtimeMs / 1000
        expect(first).toBe(Math.max(Math.floor(AT / 1000), before + 1))
        clock.advance(1100)
        const second = await waitFor('the second touch', async () => {
          const { mtimeMs } = await session.stat()
          return mtimeMs / 1000 > first ? mtimeMs / 1000 : undefined
        })
        expect(second).toBe(Math.max(Math.floor(clock.now() / 1000), first + 1))
        await session.close()
        clock.set(AT)
      }
    })

    it('leave nothing behind, also of an earlier run that was killed', async () => {
      await make().resync(all, signal)
      const killed = `${path}.db.popauthd-old.7`
      await rename(`${path}.db`, killed)
      const before = (await stat(killed)).mtimeMs
      const session = await open(killed, 'r')
      for (const name of ['.popauthd-new', '.popauthd-new.db', '.static.popauthd-new', '.info.popauthd-new']) {
        await writeFile(path + name, 'Connect:203.0.113.9\tRELAY\n')
      }
      const publisher = make()
      await publisher.resync(all, signal)
      await publisher[Symbol.asyncDispose]()
      expect((await session.stat()).mtimeMs).toBeGreaterThan(before)
      await session.close()
      expect(await map()).toEqual([])
      expect((await readdir(join(home, 'mail'))).sort()).toEqual([
        'access',
        'access.db',
        'access.info',
        'access.static',
      ])
    })

    it('do not hang where somebody put a FIFO in the place of a replaced map', async () => {
      await make().resync(all, signal)
      execFileSync('mkfifo', [`${path}.db.popauthd-old.8`])
      await using publisher = make()
      await publisher.resync(all, signal)
      expect(await readdir(join(home, 'mail'))).not.toContain('access.db.popauthd-old.8')
    })

    it('leave all files as they were when makemap fails, and repair them when it works again', async () => {
      await writeFile(join(home, 'broken'), '#!/bin/sh\ncat > /dev/null\necho "makemap: no luck" >&2\nexit 73\n')
      await chmod(join(home, 'broken'), 0o755)
      await make().resync(all, signal)
      const before = [await read(), await map()]
      table.set('192.0.2.1', ['alice'])
      const broken = make({ makemapCommand: [join(home, 'broken'), '{type}', '{map}'] })
      await expect(broken.resync(all, signal)).rejects.toMatchObject({
        name: 'PublishError',
        retryable: true,
        message: expect.stringMatching(/broken hash .* failed \(73\): makemap: no luck/),
      })
      expect([await read(), await map()]).toEqual(before)
      expect((await readdir(join(home, 'mail'))).sort()).toEqual([
        'access',
        'access.db',
        'access.info',
        'access.static',
      ])
      const missing = make({ makemapCommand: [join(home, 'missing'), '{type}', '{map}'] })
      await expect(missing.resync(all, signal)).rejects.toMatchObject({ mend: expect.stringContaining('sendmail-bin') })
      await make().resync(all, signal)
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY'])
    })

    it('build the map anew where somebody else changed it, or a tool fails', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      await writeFile(`${path}.db`, 'rubbish')
      table.set('192.0.2.1', [])
      await publisher.publish([change('granted', '192.0.2.1')], all, signal)
      expect(await map()).toEqual(['connect:192.0.2.1 RELAY'])
      const without = make({ editmapCommand: ['/bin/false'] })
      await without.resync(all, signal)
      table.clear()
      await without.publish([change('ended', '192.0.2.1')], all, signal)
      expect(await map()).toEqual([])
    })

    it('work with a script that makes the map in place, as in 2002', async () => {
      const [makemap = ''] = tools.makemapCommand
      await writeFile(join(home, 'makeaccess'), `#!/bin/sh\n${makemap} hash ${path} < ${path}\n`)
      await chmod(join(home, 'makeaccess'), 0o755)
      const publisher = make({ makemapCommand: [join(home, 'makeaccess')] })
      await publisher.resync(all, signal)
      await publisher.publish([change('granted', '192.0.2.1')], all, signal)
      await expectTextAndMapAgree()
      await publisher.publish([change('ended', '192.0.2.1')], all, signal)
      expect(await map()).toEqual([])
    })

    it('close everything but the static entries on request', async () => {
      await writeFile(`${path}.static`, '192.0.2.9 RELAY\n')
      table.set('192.0.2.1', ['alice'])
      const publisher = make({}, { always: ['10.0.0.0/8'] })
      await publisher.resync(all, signal)
      expect(await map()).toHaveLength(3)
      await publisher.closeAll(signal)
      expect(await map()).toEqual(['192.0.2.9 RELAY'])
      await expectTextAndMapAgree()
      expect(await read('.info')).toBe('')
    })
  })

  describe('lines that makemap refuses', () => {
    it('are left out of the map and shown in the text, and do not stop the others', async () => {
      await writeFile(
        `${path}.static`,
        ' 192.0.2.1 REJECT\nlonely\n192.0.2.2 OK\n192.0.2.2 REJECT\nhost.example\tRELAY\r\n',
      )
      await make().resync(all, signal)
      expect(await map()).toEqual(['192.0.2.2 OK', 'host.example RELAY'])
      expect(await read()).toContain('# (not in the map: the same key stands above) 192.0.2.2 REJECT\n')
    })
  })
})

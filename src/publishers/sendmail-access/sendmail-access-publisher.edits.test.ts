/** What becomes of entries that somebody wrote by hand. */
import { appendFileSync, existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  all,
  change,
  clock,
  home,
  make,
  map,
  notices,
  path,
  read,
  signal,
  table,
} from '../../../test/support/access-map.ts'
import { waitFor } from '../../../test/support/wait-for.ts'

describe('the sendmail access map', () => {
  describe('a hand-made access', () => {
    it('moves to access.static with a backup, but not what a login may have put there', async () => {
      const text =
        '# my list\nspam.example REJECT\n192.0.2.1\tRELAY\n192.0.2.2\tRELAY\nConnect:192.0.2.3 RELAY\n66.66.66 REJECT\n'
      await writeFile(path, text)
      await writeFile(`${path}.info`, 'Mar 26 18:29:32\tmichelle\t192.0.2.1\t985660172\n')
      await make({}, { known: ['192.0.2.3'] }).resync(all, signal)
      expect(await read('.before-popauthd')).toBe(text)
      expect(await read('.info.before-popauthd')).toContain('michelle')
      expect(await read('.static')).toBe('# my list\nspam.example REJECT\n192.0.2.2\tRELAY\n66.66.66 REJECT\n')
      expect(await map()).toEqual(['192.0.2.2 RELAY', '66.66.66 REJECT', 'spam.example REJECT'])
      expect(notices.join('\n')).toMatch(/192\.0\.2\.1 RELAY.*192\.0\.2\.3 RELAY/)
      expect(notices.join('\n')).not.toContain('192.0.2.2')
    })

    it('of 2002 (static and logins in one) adds to access.static only what is new there', async () => {
      await writeFile(`${path}.static`, 'spam.example REJECT\n')
      await writeFile(path, 'spam.example REJECT\n192.0.2.1\tRELAY\nadded.example RELAY\n')
      await writeFile(`${path}.info`, 'Mar 26 18:29:32\tmichelle\t192.0.2.1\t985660172\n')
      await make().resync(all, signal)
      expect((await read('.static')).split('\n')).toEqual([
        'spam.example REJECT',
        `# moved here from ${path} by popauthd`,
        'added.example\tRELAY',
        '',
      ])
      expect(await map()).toEqual(['added.example RELAY', 'spam.example REJECT'])
    })

    it('is taken over once: a second start changes nothing', async () => {
      await writeFile(path, 'spam.example REJECT\n')
      await make().resync(all, signal)
      const files = [await read(), await read('.static')]
      notices.splice(0)
      await make().resync(all, signal)
      expect([await read(), await read('.static')]).toEqual(files)
      expect(notices).toEqual([])
      expect(existsSync(`${path}.before-popauthd.1`)).toBe(false)
    })

    it('is copied once, however often makemap fails', async () => {
      await writeFile(path, 'spam.example REJECT\n')
      await writeFile(`${path}.info`, 'Mar 26 18:29:32\tmichelle\t192.0.2.1\t985660172\n')
      const broken = make({ makemapCommand: [join(home, 'missing'), '{type}', '{map}'] })
      for (let run = 0; run < 3; run++) await expect(broken.resync(all, signal)).rejects.toThrow(/missing/)
      const copies = (await readdir(join(home, 'mail'))).filter((name) => name.includes('.before-popauthd'))
      expect(copies.sort()).toEqual(['access.before-popauthd', 'access.info.before-popauthd'])
      await make().resync(all, signal)
      expect(await map()).toEqual(['spam.example REJECT'])
    })

    it('keeps every byte', async () => {
      const bytes = Buffer.from([...Buffer.from('caf\xe9.example REJECT\n# '), 0xe9, 0xff, 0x80, 0x0a])
      await writeFile(path, bytes)
      await make().resync(all, signal)
      expect(await readFile(`${path}.static`)).toEqual(bytes)
    })
  })

  describe('edits', () => {
    it('of access.static take effect at the next publish', async () => {
      const publisher = make()
      table.set('192.0.2.1', []).set('198.51.100.1', [])
      await publisher.resync(all, signal)
      await writeFile(`${path}.static`, '192.0.2 REJECT\n')
      await publisher.publish([], all, signal)
      expect(await map()).toEqual(['192.0.2 REJECT', 'connect:198.51.100.1 RELAY'])
    })

    it('are noticed by themselves', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      let noticed = 0
      publisher.watch(() => noticed++)
      await publisher.publish([change('granted', '192.0.2.1')], all, signal)
      await writeFile(`${path}.static`, '192.0.2 REJECT\n')
      await waitFor('the edit', () => {
        clock.advance(5000)
        return noticed > 0 || undefined
      })
      await publisher.resync(all, signal)
      noticed = 0
      clock.advance(60_000)
      await new Promise((resolve) => setImmediate(resolve))
      expect(noticed).toBe(0)
    })

    it('are noticed where they come in the midst of a publish, of the whole map or of a change', async () => {
      const publisher = make()
      await publisher.resync(all, signal)
      let noticed = 0
      publisher.watch(() => noticed++)
      const seen = () =>
        waitFor('the edit', () => {
          clock.advance(5000)
          return noticed > 0 || undefined
        })
      // The entries are asked for once the static file has been read.
      const editing = () => {
        appendFileSync(`${path}.static`, '192.0.2 REJECT\n')
        return all()
      }
      await publisher.resync(editing, signal)
      await seen()
      await publisher.resync(all, signal)
      noticed = 0
      const publishing = publisher.publish([change('granted', '198.51.100.1')], all, signal)
      while (!(await read()).includes('198.51.100.1')) await new Promise((resolve) => setImmediate(resolve))
      appendFileSync(`${path}.static`, '203.0.113 REJECT\n')
      await publishing
      await seen()
      await publisher.resync(all, signal)
      expect(await map()).toContain('203.0.113 REJECT')
    })

    it('of access move to access.static, with a notice', async () => {
      const publisher = make({}, { known: ['192.0.2.1', '192.0.2.5'] })
      table.set('192.0.2.1', ['alice'])
      await publisher.resync(all, signal)
      const text = (await read()).replace(
        'Connect:192.0.2.1\tRELAY',
        'Connect:192.0.2.6 REJECT\nConnect:192.0.2.7 RELAY',
      )
      await writeFile(path, `${text}192.0.2.8 RELAY\n192.0.2.5\tRELAY\nnew.example OK\n`)
      await publisher.publish([], all, signal)
      expect(await map()).toEqual([
        '192.0.2.8 RELAY',
        'connect:192.0.2.1 RELAY',
        'connect:192.0.2.6 REJECT',
        'new.example OK',
      ])
      expect(notices.join('\n')).toMatch(/edited by hand/)
      expect(notices.join('\n')).toMatch(/192\.0\.2\.5 RELAY.*Connect:192\.0\.2\.7 RELAY/)
      notices.splice(0)
      await publisher.publish([], all, signal)
      expect(notices).toEqual([])
    })

    it('of access that change a static entry win over it', async () => {
      await writeFile(`${path}.static`, 'one.example RELAY\n')
      await make().resync(all, signal)
      await writeFile(path, (await read()).replace('one.example RELAY', 'one.example REJECT'))
      await make().resync(all, signal)
      expect(await map()).toEqual(['one.example REJECT'])
      expect(await read('.static')).toContain('# (replaced below) one.example RELAY')
    })

    it('of both files never bring back a permission that access.static lost', async () => {
      await writeFile(`${path}.static`, 'one.example RELAY\ntwo.example REJECT\n')
      await make().resync(all, signal)
      await writeFile(path, `${await read()}three.example REJECT\n`)
      await writeFile(`${path}.static`, 'four.example OK\n')
      await make().resync(all, signal)
      expect(await map()).toEqual(['four.example OK', 'three.example REJECT', 'two.example REJECT'])
    })

    it('survive the loss of access.static', async () => {
      await writeFile(`${path}.static`, '# mine\n192.0.2.2 OK\n192.0.2.2 REJECT\n')
      await make().resync(all, signal)
      await rm(`${path}.static`)
      await make().resync(all, signal)
      expect(await read('.static')).toBe('# mine\n192.0.2.2 OK\n192.0.2.2 REJECT\n')
      expect(notices.join()).toMatch(/was gone and has been restored/)
    })
  })
})

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MapTools, mapTools } from '../../../test/support/makemap.ts'
import { waitFor } from '../../../test/support/wait-for.ts'
import type { SendmailAccessConfig } from '../../config/config.ts'
import type { Authorization, TableChange, UserLogin } from '../../core/authorization.ts'
import { type ClientAddress, type Network, parseClientAddress, parseNetwork } from '../../core/client-address.ts'
import { ManualClock } from '../../lib/clock.ts'
import { SendmailAccessPublisher } from './sendmail-access-publisher.ts'

const address = (text: string) => parseClientAddress(text) as ClientAddress
const AT = new Date(2024, 2, 6, 8, 29, 3).getTime()
const user = (name: string): UserLogin => ({
  user: name,
  lastMs: AT,
  firstMs: AT,
  service: 'pop3',
  server: 'test',
  refused: false,
})
const change = (kind: TableChange['kind'], text: string, name = 'alice'): TableChange => ({
  kind,
  address: address(text),
  atMs: AT,
  reason: 'login',
  user: name,
})

describe('the sendmail access map', () => {
  let home: string
  let path: string
  let tools: MapTools
  let clock: ManualClock
  let notices: string[]
  const made: SendmailAccessPublisher[] = []
  const signal = new AbortController().signal
  const table = new Map<string, string[]>()
  const all = (): Authorization[] =>
    [...table].map(([text, names]) => ({ address: address(text), reason: 'login', users: names.map(user) }))

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'popauthd-'))
    await mkdir(join(home, 'mail'))
    path = join(home, 'mail', 'access')
    tools = await mapTools(home)
    clock = new ManualClock(AT)
    notices = []
    table.clear()
  })
  afterEach(async () => {
    for (const publisher of made.splice(0)) await publisher[Symbol.asyncDispose]()
    await rm(home, { recursive: true })
  })

  function make(
    config: Partial<SendmailAccessConfig> = {},
    more: { known?: string[]; always?: string[]; ipv6Prefix?: number } = {},
  ): SendmailAccessPublisher {
    const publisher = new SendmailAccessPublisher({
      config: {
        enabled: true,
        path,
        mapType: 'hash',
        makemapCommand: tools.makemapCommand,
        editmapCommand: tools.editmapCommand,
        taggedKeys: true,
        gatherMilliseconds: 0,
        writeInfo: true,
        ...config,
      },
      always: (more.always ?? []).map((text) => parseNetwork(text) as Network),
      ipv6Prefix: more.ipv6Prefix ?? 128,
      stateDirectory: join(home, 'state'),
      clock,
      isKnown: (known) => more.known?.includes(known) === true,
      notice: (message, fields) => notices.push(`${message} ${JSON.stringify(fields)}`),
    })
    made.push(publisher)
    return publisher
  }
  const read = (suffix = '') => readFile(path + suffix, 'utf8')
  const map = () => tools.dump(path)
  /** Entries of the text, as makemap would take them. */
  const entries = async () => (await read()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  async function expectTextAndMapAgree(): Promise<void> {
    const lines = (await entries()).map((line) =>
      line.replace(/^(\S+)\s+/, (_, key: string) => `${key.toLowerCase()} `),
    )
    expect(lines.sort()).toEqual(await map())
  }

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
      notices = []
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
      notices = []
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

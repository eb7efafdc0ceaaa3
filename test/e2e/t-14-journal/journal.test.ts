// The built program reads real journal files through the real journalctl: who wrote a line, restarts, rotation, deaths, damage.
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestJournal } from '../../support/journal.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import { Popauthd } from '../../support/popauthd.ts'
import { waitFor } from '../../support/wait-for.ts'
import { DOVECOT, dovecot, dovecotText, FORGED, GENUINE } from './entries.ts'

const unavailable = labAvailability()

interface Status {
  readonly sources: readonly {
    readonly servers?: readonly { readonly server: string; readonly recent: readonly { readonly reason: string }[] }[]
  }[]
}

describe.skipIf(unavailable)(`the journal${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let journal: TestJournal
  let popauthd: Popauthd
  let count = 0
  /** Logins that daemons told before the present one. */
  let told: string[]

  beforeAll(async () => {
    lab = await openLab()
    journal = await TestJournal.open(lab, 'files')
  })
  afterAll(async () => lab?.[Symbol.asyncDispose]())

  beforeEach(async () => {
    await journal.clear()
    told = []
    configure({})
  })
  afterEach(async () => popauthd[Symbol.asyncDispose]())

  function configure(source: object): void {
    const config = { window_seconds: 600, sources: [{ journal: true, ...source }] }
    popauthd = new Popauthd({ directory: join(lab.shared, `popauthd-${++count}`), logs: [], config })
  }

  const withJournal = () => ['env', `PATH=${journal.bin}:${process.env.PATH}`]
  const start = () => popauthd.start({ wrapper: withJournal() })
  const opened = (address: string) => popauthd.event('authorization granted', { ip: address })
  const loginsNow = () => popauthd.events.filter(({ msg }) => msg === 'login').map(({ ip }) => String(ip))
  const logins = () => [...told, ...loginsNow()]

  async function restart(how: 'stop' | 'kill', meanwhile: () => Promise<void>): Promise<void> {
    await popauthd[how]()
    told.push(...loginsNow())
    await meanwhile()
    await start()
  }

  async function status() {
    const { sources } = await popauthd.ask<Status>('status')
    return sources.flatMap(({ servers = [] }) => servers)
  }

  async function journalctl(): Promise<number> {
    const path = `/proc/${popauthd.pid}/task/${popauthd.pid}/children`
    return await waitFor('journalctl', async () => {
      for (const pid of (await readFile(path, 'utf8')).trim().split(' ').filter(Boolean)) {
        const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
        if (command.includes('journalctl\0') && command.includes('\0-f\0')) return Number(pid)
      }
      return undefined
    })
  }

  it('opens for logins to servers in their own units', async () => {
    const addresses = GENUINE.map((_, index) => `198.51.100.${index + 1}`)
    for (const [index, [, entries]] of GENUINE.entries()) await journal.write(entries(addresses[index] as string))
    await start()
    const users = await popauthd.openAddresses()
    expect(GENUINE.map(([name], index) => [name, users.includes(addresses[index] as string)])).toEqual(
      GENUINE.map(([name]) => [name, true]),
    )
  })

  it('opens for nobody else, and says who wrote and which option is for that', async () => {
    for (const [index, [, entries]] of FORGED.entries()) await journal.write(entries(`203.0.113.${index + 1}`))
    await journal.write([dovecot('198.51.100.1')])
    await start()
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1'])
    const reasons = (await status()).flatMap(({ recent }) => recent.map(({ reason }) => reason))
    expect(reasons.length).toBeGreaterThan(3)
    for (const reason of reasons) expect(reason).toMatch(/^sent by .* \(option `senders`\)$/)
    expect((await popauthd.cli('status')).stdout).toContain('(option `senders`)')
    expect(popauthd.output).toContain('sent by the program /usr/bin/logger (option `senders`)')
  })

  it('believes no program of a user in no unit where systemd runs the host, since each has one', async () => {
    const [, popa3d] = GENUINE.find(([name]) => name.startsWith('popa3d')) ?? []
    const withoutUnit = (popa3d?.('203.0.113.1') ?? []).map((entry) => ({ ...entry, _SYSTEMD_UNIT: undefined }))
    await journal.write([...withoutUnit, dovecot('198.51.100.1', { _SYSTEMD_UNIT: undefined })])
    const booted = 'mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && exec "$@"'
    await popauthd.start({ wrapper: ['unshare', '--mount', 'sh', '-c', booted, 'sh', ...withJournal()] })
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1'])
    expect((await popauthd.cli('status')).stdout).toContain('user id 1003 in no unit')
  })

  it('says who wrote where an unusual unit logs and nothing opens, and opens once that is configured', async () => {
    const unusual = { _EXE: '/srv/mail/libexec/log', _UID: 1204, _SYSTEMD_UNIT: 'store@2.service' }
    await journal.write([dovecot('198.51.100.1', unusual), dovecot('198.51.100.2', { ...unusual, _UID: 1003 })])
    await start()
    expect(await popauthd.openAddresses()).toEqual([])
    expect((await status())[0]?.recent[0]?.reason).toMatch(/\/srv\/mail\/libexec\/log.*\(option `senders`\)/)
    const line = JSON.stringify({
      ...dovecot('198.51.100.1', unusual),
      _UID: '1204',
      __REALTIME_TIMESTAMP: `${Date.now()}000`,
    })
    expect((await popauthd.cli('explain', line)).stdout).toContain('(option `senders`)')
    await popauthd.stop()
    configure({
      senders: [{ server: 'dovecot', unit: 'store@*.service', exe: unusual._EXE, uid: unusual._UID }],
    })
    await start()
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1'])
    expect(await popauthd.cli('explain', line)).toMatchObject({ code: 0 })
  })

  it('believes nothing that another machine or a container put below /var/log/journal', async () => {
    await journal.write([dovecot('203.0.113.1')], 'remote-192.0.2.9.journal', 'remote')
    await journal.write([dovecot('203.0.113.2')], 'system.journal', '0d'.repeat(16))
    await journal.write([dovecot('198.51.100.1')])
    await start()
    await journal.write([dovecot('203.0.113.3')], 'remote-192.0.2.9.journal', 'remote')
    await journal.write([dovecot('203.0.113.4')], 'remote-192.0.2.8.journal', 'remote')
    await journal.write([dovecot('198.51.100.2')])
    await opened('198.51.100.2')
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1', '198.51.100.2'])
  })

  it('takes no login out of a message of several lines, or of bytes', async () => {
    await journal.write([
      dovecot('203.0.113.1', { MESSAGE: `imap-login: Aborted\n${dovecotText('203.0.113.1')}` }),
      dovecot('203.0.113.2', { MESSAGE: `${dovecotText('203.0.113.2')}\n` }),
      dovecot('203.0.113.3', { MESSAGE: Buffer.from(`${dovecotText('203.0.113.3')}\0`) }),
      dovecot('203.0.113.4', { MESSAGE: Buffer.from(`\xff${dovecotText('203.0.113.4')}`, 'latin1') }),
      dovecot('203.0.113.5', { MESSAGE: dovecotText(`203.0.113.5\r`) }),
      dovecot('203.0.113.6', { MESSAGE: `${dovecotText('203.0.113.6')}${' '.repeat(10_000)}` }),
      dovecot('203.0.113.7', { MESSAGE: Buffer.alloc(3_000_000, dovecotText('203.0.113.7')) }),
      dovecot('198.51.100.1', { MESSAGE: Buffer.from(dovecotText('198.51.100.1')) }),
      dovecot('198.51.100.2'),
    ])
    await start()
    expect(await popauthd.openAddresses()).toEqual(['198.51.100.1', '198.51.100.2'])
  })

  it.each(['stop', 'kill'] as const)(
    'resumes behind the last entry after %s: nothing twice, nothing lost',
    async (how) => {
      await journal.write([dovecot('198.51.100.1', { ageSeconds: 60 })])
      await start()
      await opened('198.51.100.1')
      for (let round = 2; round < 6; round++) {
        await journal.write([dovecot(`198.51.100.${round}`)])
        await opened(`198.51.100.${round}`)
        await restart(how, () => journal.write([dovecot(`198.51.100.${round + 10}`)]))
        await opened(`198.51.100.${round + 10}`)
      }
      const all = [1, 2, 12, 3, 13, 4, 14, 5, 15].map((n) => `198.51.100.${n}`)
      expect(logins()).toEqual(all)
      expect(await popauthd.openAddresses()).toEqual([...all].sort())
    },
  )

  it('goes on where the boot changed while it was down', async () => {
    await journal.write([dovecot('198.51.100.1', { _BOOT_ID: '0b'.repeat(16), ageSeconds: 300 })])
    await start()
    await restart('stop', () =>
      journal.write([dovecot('198.51.100.2', { _BOOT_ID: '0b'.repeat(16), ageSeconds: 200 }), dovecot('198.51.100.3')]),
    )
    await journal.write([dovecot('198.51.100.4')])
    await opened('198.51.100.4')
    expect(logins()).toEqual([1, 2, 3, 4].map((n) => `198.51.100.${n}`))
  })

  it('follows through a rotation, and loses nothing where the last entry was rotated away meanwhile', async () => {
    await journal.write([dovecot('198.51.100.1')])
    await start()
    await rename(join(journal.folder(), 'system.journal'), join(journal.folder(), 'system@1.journal'))
    await journal.write([dovecot('198.51.100.2')], 'system@1.journal')
    await journal.write([dovecot('198.51.100.3')])
    await opened('198.51.100.2')
    await opened('198.51.100.3')
    await restart('kill', async () => {
      await journal.write([dovecot('198.51.100.4')])
      for (const file of await readdir(journal.folder())) await rm(join(journal.folder(), file))
      await journal.write([dovecot('198.51.100.5')])
    })
    await opened('198.51.100.5')
    await journal.write([dovecot('198.51.100.6')])
    await opened('198.51.100.6')
    expect(await popauthd.openAddresses()).toEqual([1, 2, 3, 5, 6].map((n) => `198.51.100.${n}`))
  })

  it('comes back where journalctl is killed, again and again, and loses nothing', async () => {
    await start()
    for (let n = 1; n <= 4; n++) {
      await journal.write([dovecot(`198.51.100.${n}`)])
      await opened(`198.51.100.${n}`)
      process.kill(await journalctl(), 'SIGKILL')
      await journal.write([dovecot(`198.51.100.${n + 10}`)])
      await opened(`198.51.100.${n + 10}`)
    }
    expect(new Set(loginsNow()).size).toBe(8)
    expect(loginsNow()).toHaveLength(8)
    const { detail } = await popauthd.event('log restarted')
    expect(detail).toContain('journalctl ended (signal SIGKILL)')
  })

  it('reads what can be read where files are damaged', async () => {
    const many = Array.from({ length: 2000 }, (_, n) => ({
      MESSAGE: `a line of no login ${n}`,
      ...DOVECOT,
      ageSeconds: 99,
    }))
    await journal.write([dovecot('198.51.100.1', { ageSeconds: 100 }), ...many], 'system@1.journal')
    await journal.write([dovecot('198.51.100.2')])
    const cut = join(journal.folder(), 'system@1.journal')
    await truncate(cut, Math.floor((await readFile(cut)).length / 2))
    await writeFile(join(journal.folder(), 'system@2.journal'), 'LPKSHHRH, and no journal')
    await writeFile(join(journal.folder(), 'system@3.journal'), '')
    await mkdir(join(journal.folder(), 'system@4.journal'))
    await start()
    await journal.write([dovecot('198.51.100.3')])
    await opened('198.51.100.3')
    const open = await popauthd.openAddresses()
    expect(open).toEqual(expect.arrayContaining(['198.51.100.2', '198.51.100.3']))
    await writeFile(join(journal.folder(), 'system.journal'), Buffer.alloc(100))
    await journal.write([dovecot('198.51.100.4')], 'system@5.journal')
    await opened('198.51.100.4')
  })
})

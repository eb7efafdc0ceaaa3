/** The shipped service files: what systemd and sh themselves cannot know about them. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const PACKAGING = join(import.meta.dirname, '../../packaging')
const textOf = (path: string) => readFileSync(join(PACKAGING, path), 'utf8')

/** The settings of a unit file, in order, as `Name=value`. */
function settings(path: string): string[] {
  return textOf(path)
    .split('\n')
    .filter((line) => /^[A-Z]\w+=/.test(line))
}

const daemon = settings('systemd/popauthd.service')
const prune = settings('systemd/popauthd-prune.service')
const fence = (unit: string[]) =>
  unit.slice(unit.indexOf('NoNewPrivileges=yes')).filter((line) => !line.startsWith('WantedBy='))

describe('systemd units', () => {
  it('fence in the daemon and the prune job alike', () => {
    expect(fence(daemon).length).toBeGreaterThan(20)
    expect(fence(prune)).toEqual(fence(daemon))
  })

  it('let V8 compile, and the daemon ask for the addresses of the host and set groups', () => {
    expect(daemon.some((line) => line.startsWith('MemoryDenyWriteExecute='))).toBe(false)
    expect(daemon.find((line) => line.startsWith('RestrictAddressFamilies='))).toContain('AF_NETLINK')
    expect(daemon.filter((line) => line.startsWith('SystemCallFilter=')).at(-1)).toBe('SystemCallFilter=@chown')
  })

  it('let sendmail pass to its socket and its map', () => {
    expect(daemon).toContain('RuntimeDirectoryMode=0755')
    expect(daemon).toContain('StateDirectoryMode=0711')
    expect(prune).toContain('StateDirectoryMode=0711')
  })

  it('keep the sockets of the daemon when the prune job ends', () => {
    expect(prune.some((line) => line.startsWith('RuntimeDirectory'))).toBe(false)
  })
})

describe('the units for a file table of OpenSMTPD', () => {
  const service = settings('systemd/popauthd-opensmtpd.service')
  const [mark = ''] = settings('systemd/popauthd-opensmtpd.path').filter((line) => line.startsWith('PathExists='))
  const path = mark.replace('PathExists=', '')

  it('take the mark away before smtpd reads the file, so that no change is missed', () => {
    expect(service.filter((line) => line.startsWith('ExecStart='))).toEqual([
      `ExecStart=/bin/rm -f ${path}`,
      'ExecStart=/usr/sbin/smtpctl update table popauth',
    ])
  })

  it('wait for the mark that the page lets popauthd leave, in a directory that popauthd cannot swap for another', () => {
    expect(readFileSync(join(PACKAGING, '../docs/opensmtpd.md'), 'utf8')).toContain(`[/usr/bin/touch, ${path}]`)
    expect(dirname(path)).toBe('/var/lib/popauthd')
  })

  it('let smtpctl be setgid, which it insists on', () => {
    const harmful =
      /^(NoNewPrivileges|SystemCall|Restrict(AddressFamilies|Namespaces|Realtime|SUIDSGID)|PrivateDevices|MemoryDeny|Lock|ProtectKernel)/
    expect(service.filter((line) => harmful.test(line))).toEqual([])
  })
})

describe('scripts and cron lines', () => {
  it('are sound shell', () => {
    const checked = spawnSync('sh', ['-n', join(PACKAGING, 'freebsd/rc.d/popauthd')], { encoding: 'utf8' })
    expect(checked).toMatchObject({ status: 0, stderr: '' })
  })

  it.each(['cron/popauthd.cron', 'freebsd/cron.d/popauthd'])(
    '%s runs prune each minute, quietly, as popauthd',
    (path) => {
      const lines = textOf(path)
        .split('\n')
        .filter((line) => line !== '' && !/^(#|[A-Z]+=)/.test(line))
      expect(lines).toEqual(['* * * * * popauthd popauthd prune --quiet'])
      expect(textOf(path)).toMatch(/\n$/)
    },
  )
})

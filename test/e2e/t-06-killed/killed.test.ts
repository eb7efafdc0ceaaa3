// SIGKILL at the N-th system call of many kinds, again and again, while logins come in and the log rotates; then resumed.
import { copyFile, rename, truncate } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import type { LabHost } from '../../support/netns.ts'
import { Popauthd, qpopperLine, TestLog } from '../../support/popauthd.ts'
import { type SendmailServer, startSendmail } from '../../support/sendmail.ts'
import { openSmtpSession } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const STATIC_HOST = '198.51.100.7'
const REFUSED_HOST = '198.51.100.8'
const REVOKED = '203.0.113.254'

/** Kinds of system calls, and at which of them the daemon is killed; strace counts them by thread. */
const POINTS: readonly (readonly [calls: string, nth: readonly number[]])[] = [
  ['pwrite64,pwritev', [1, 2, 3, 4, 5, 6, 8, 10, 12, 15]],
  ['fdatasync,fsync,msync', [1, 2, 3, 4, 5]],
  ['rename,renameat,renameat2', [1, 2, 3]],
  ['link,linkat', [1, 2]],
  ['unlink,unlinkat', [1, 2]],
  ['utimensat,futimesat', [1, 2]],
  ['fchown,fchmod,chown,chmod', [1, 2]],
  ['execve', [2, 3]],
  ['copy_file_range,sendfile,ftruncate', [1]],
  ['read', [40, 60, 80, 100, 120]],
  ['write', [20, 40, 60, 80, 100, 120, 140]],
]

describe.skipIf(unavailable)(`killed anywhere${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
  let lab: Lab
  let sendmail: SendmailServer
  let popauthd: Popauthd
  let log: TestLog
  let client: LabHost
  const fed = new Map<string, number>()

  beforeAll(async () => {
    lab = await openLab()
    sendmail = await startSendmail(lab)
    client = await lab.addClient(STATIC_HOST, REFUSED_HOST)
    await sendmail.makeAccess(`Connect:${STATIC_HOST}\tRELAY\nConnect:${REFUSED_HOST}\tREJECT\n`)
    log = new TestLog(`${lab.shared}/log/popper.log`)
    await log.write()
    const config = {
      window_seconds: 3600,
      sendmail_access: { ...sendmail.accessConfig, gather_milliseconds: 20 },
    }
    popauthd = new Popauthd({ directory: `${lab.shared}/popauthd`, logs: [log.path], config })
  })
  afterAll(async () => {
    await popauthd?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  it('loses no login, invents none, resurrects none, and never shows sendmail a half-written map', async () => {
    await popauthd.start()
    await log.write(qpopperLine('mallory', REVOKED, 5))
    await popauthd.event('authorization granted', { ip: REVOKED })
    await waitFor('it in the map', async () => (await relaying()).includes(REVOKED) || undefined)
    await popauthd.ask('revoke', REVOKED)
    await waitFor('it out of the map', async () => !(await relaying()).includes(REVOKED) || undefined)
    await popauthd.kill()
    const reader = readMaps()
    let [kills, toolKills] = [0, 0]
    for (const [calls, nth] of POINTS) {
      for (const n of nth) {
        const wrapper = ['strace', '-D', '-f', '-o', '/dev/null', '-e', `trace=${calls}`]
        await popauthd.start({ wrapper: [...wrapper, '-e', `inject=${calls}:signal=SIGKILL:when=${n}`], ready: false })
        const isKilled = await feedUntilKilled()
        if (isKilled) kills += 1
        else if (toolWasKilled()) toolKills += 1
        if (isKilled && kills === 10) await rotateByRename()
        if (isKilled && kills === 20) await rotateByCopy()
        expect(reader.problem()).toBeUndefined()
      }
    }
    await popauthd.start()
    const expected = [...fed.keys()].sort()
    expect(await popauthd.openAddresses()).toEqual(expected)
    for (const entry of await popauthd.ask<{ address: string; until: string }[]>('list'))
      expect(Date.parse(entry.until), entry.address).toBe((fed.get(entry.address) ?? 0) + 3_600_000)
    await waitFor('the map in step', async () => {
      const relays = (await dump()).filter((line) => line.endsWith('RELAY'))
      return relays.length === expected.length + 1 || undefined
    })
    expect(await relaying()).toEqual([...expected, STATIC_HOST].sort())
    const counts = await reader.stop()
    expect(reader.problem()).toBeUndefined()
    console.info(
      `${kills} kills of popauthd, ${toolKills} of makemap and the like, ${fed.size} logins, ${counts.dumps} dumps of the map, ${counts.questions} questions to sendmail`,
    )
    expect(kills).toBeGreaterThanOrEqual(30)
  })

  /** Logs in new hosts, one after the other, until the daemon is dead: true where strace killed it. Each must be seen soon. */
  async function feedUntilKilled(): Promise<boolean> {
    for (let i = 0; i < 12 && popauthd.running && !toolWasKilled(); i++) {
      const address = `203.0.113.${fed.size + 1}`
      const line = qpopperLine(`user${fed.size}`, address, 1)
      fed.set(address, timeOf(line))
      await log.write(line)
      await waitFor(`${address} in the map`, async () => {
        if (!popauthd.running || toolWasKilled()) return true
        return (await relaying()).includes(address) || undefined
      })
    }
    const wasKilled = !popauthd.running
    await popauthd.kill()
    return wasKilled
  }

  // Of a copy: makemap refuses a map that is replaced while it opens it, and one with a second name (docs/sendmail-findings.md).
  async function dump(reader = 'test'): Promise<string[]> {
    const copy = `${lab.shared}/mail/copy-for-${reader}`
    await copyFile(`${sendmail.accessPath}.db`, `${copy}.db`)
    return (await sendmail.root.exec(['makemap', '-u', 'hash', copy])).split('\n').filter(Boolean)
  }

  /** strace counts in the programs that the daemon runs too: then makemap, editmap or their wrapper is what dies. */
  function toolWasKilled(): boolean {
    return popauthd.events.some(({ msg }) => msg === 'cannot publish')
  }

  async function relaying(): Promise<string[]> {
    const lines = await dump()
    const relays = lines.filter((line) => line.endsWith('\tRELAY'))
    return relays.map((line) => line.replace(/^connect:|\tRELAY$/g, '')).sort()
  }

  async function rotateByRename(): Promise<void> {
    await rename(log.path, `${log.path}.1`)
    await log.write()
  }

  async function rotateByCopy(): Promise<void> {
    await rename(`${log.path}.1`, `${log.path}.2`)
    await copyFile(log.path, `${log.path}.1`)
    await truncate(log.path)
  }

  /** Reads the map over and over, by sendmail and by makemap; remembers the first thing that must never be. */
  function readMaps() {
    let [problem, isOver, dumps, questions] = [undefined as string | undefined, false, 0, 0]
    const watch = async () => {
      while (!isOver && problem === undefined) {
        const entries = await dump('reader')
        const hosts = entries
          .filter((line) => line.endsWith('RELAY'))
          .map((line) => line.replace(/^connect:|\tRELAY$/g, ''))
        const strange = hosts.filter((host) => host !== STATIC_HOST && !fed.has(host))
        if (strange.length > 0) problem = `entries of nobody: ${strange}`
        if (!hosts.includes(STATIC_HOST) || !entries.includes(`connect:${REFUSED_HOST}\tREJECT`))
          problem = `static entries are missing: ${entries}`
        dumps += 1
      }
    }
    const ask = async () => {
      await using session = await openSmtpSession(client)
      while (!isOver && problem === undefined) {
        await session.nextTransaction()
        const { code, text } = await session.rcpt('x@elsewhere.example.com')
        if (code !== 250) problem = `a static RELAY got ${code} ${text}`
        questions += 1
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const failed = (error: unknown) => {
      problem ??= String(error)
    }
    const running = Promise.all([watch().catch(failed), ask().catch(failed)])
    const stop = async () => {
      isOver = true
      await running
      return { dumps, questions }
    }
    return { problem: () => problem, stop }
  }
})

/** When the login of a line was, in Unix milliseconds. */
function timeOf(line: string): number {
  return Date.parse(`${line.slice(0, 6)} ${new Date().getUTCFullYear()} ${line.slice(7, 15)} UTC`)
}

// A mail host whose smtpd reads a file table of popauthd's, with the settings of docs/opensmtpd.md; systemd's part is played with the shipped units.
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'
import type { Lab } from '../../support/lab.ts'
import type { AttachedFile } from '../../support/mta-attachment.ts'
import type { MtaProcess } from '../../support/mta-process.ts'
import { type OpensmtpdOptions, type PreparedOpensmtpd, prepareOpensmtpd } from '../../support/opensmtpd.ts'
import { MAIL_HOST, type OverlayRoot } from '../../support/overlay-root.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import type { RunResult } from '../../support/run.ts'

const page = blocksOf('opensmtpd.md')

/** The host of one attachment. Dispose it before its laboratory. */
export class FileHost implements AsyncDisposable {
  /** The file table. */
  path = ''
  /** What went wrong with the command of the service, with its error. */
  readonly failures: string[] = []
  readonly #version: OpensmtpdOptions['version']
  readonly #over = new AbortController()
  #prepared: PreparedOpensmtpd | undefined
  #smtpd: MtaProcess | undefined
  /** True while smtpd runs and answers. */
  #isUp = false
  #systemd: Promise<void> | undefined

  constructor(version: OpensmtpdOptions['version']) {
    this.#version = version
  }

  /** Sets everything up; smtpd is started by the first restart. `more`: further options of popauthd. */
  async prepare(lab: Lab, more: Readonly<Record<string, unknown>> = {}): Promise<AttachedFile> {
    const [map] = (parse(page('map')) as { maps: [{ path: string; command: string[] }] }).maps
    this.path = `${lab.shared}/mail/hosts`
    const mark = `${lab.shared}/mail/opensmtpd-changed`
    const command = map.command.map((word) => word.replace('/var/lib/popauthd/opensmtpd-changed', mark))
    if (!command.includes(mark)) throw new Error('the command of docs/opensmtpd.md makes another mark')
    const rules = page('file rules', { [map.path]: this.path, '"example.net"': `"${MAIL_HOST}"` })
    this.#prepared = await prepareOpensmtpd(lab, { rules, version: this.#version })
    this.#systemd = this.#playSystemd(mark)
    const config = { maps: [{ ...map, path: this.path, command }], ...more }
    return { config, files: [this.path], restart: () => this.restart() }
  }

  /** smtpd's root. */
  get root(): OverlayRoot {
    return (this.#prepared as PreparedOpensmtpd).root
  }

  /** Starts smtpd, or ends it and starts it anew. @throws {Error} where it does not start */
  async restart(): Promise<void> {
    this.#isUp = false
    if (this.#smtpd === undefined) this.#smtpd = await this.#prepared?.start()
    else await this.#smtpd.restart()
    this.#isUp = true
  }

  /** Runs a program beside smtpd, which must have been started; `by`: through another one. */
  beside(command: readonly string[], by: readonly string[] = []): Promise<RunResult> {
    return (this.#smtpd as MtaProcess).beside([...by, ...command])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#systemd
  }

  /** While the mark of the path unit is there, the lines of its service are run, with no more rights than it gives. */
  async #playSystemd(mark: string): Promise<void> {
    const [theirs = ''] = unitSetting('popauthd-opensmtpd.path', 'PathExists')
    const [capability = ''] = unitSetting('popauthd-opensmtpd.service', 'CapabilityBoundingSet')
    const kept = capability.toLowerCase().replace('cap_', '')
    const rights = ['setpriv', '--bounding-set', `-all,+${kept}`, '--inh-caps', '-all']
    while (!this.#over.signal.aborted) {
      await delay(20)
      if (!existsSync(mark) || !this.#isUp) continue
      for (const line of unitSetting('popauthd-opensmtpd.service', 'ExecStart')) {
        const command = line.split(' ').map((word) => word.replace(theirs, mark))
        const { code, stderr } = await this.beside(command, rights).catch((error) => ({ code: 1, stderr: `${error}` }))
        if (code === 0) continue
        this.failures.push(`${line}: ${stderr}`)
        // Restart=on-failure
        await writeFile(mark, '')
        break
      }
    }
  }
}

/** The values of a setting in a shipped unit file. */
function unitSetting(file: string, name: string): string[] {
  const text = readFileSync(new URL(`../../../packaging/systemd/${file}`, import.meta.url), 'utf8')
  return [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value as string)
}

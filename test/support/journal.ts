// Real journal files in a root of their own, with entries of the test's choice (systemd-journal-remote writes them), and a journalctl that reads them.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import type { OverlayRoot } from './overlay-root.ts'
import { mustRun } from './run.ts'

/** One entry. What journald would set itself stands here as the test wants it; a field that is undefined is left out. */
export interface Entry {
  readonly MESSAGE: string | Buffer
  /** How long ago, 0 unless told. */
  readonly ageSeconds?: number
  readonly [field: string]: string | number | Buffer | undefined
}

const MOUNTED = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

/** The journal of a machine: `/var/log/journal` in a root with systemd, whose machine id is that of this host. */
export class TestJournal {
  readonly root: OverlayRoot
  /** `/var/log/journal` of the root, as the host sees it. */
  readonly directory: string
  readonly machineId: string
  readonly bootId: string
  /** Holds `journalctl`: to be the first of PATH. */
  readonly bin: string
  #number = 0

  private constructor(root: OverlayRoot, bin: string, machineId: string, bootId: string) {
    this.root = root
    this.directory = `${root.path}/var/log/journal`
    this.bin = bin
    this.machineId = machineId
    this.bootId = bootId
  }

  /**
   * The journal of one instance of the root. Its journalctl is the real one, run in the root, since the journal of this host (if there is
   * one) is not the test's: popauthd gives it the options that it gives everywhere. popauthd itself runs on the host, so the root has its id.
   */
  static async open(lab: Lab, instance: string): Promise<TestJournal> {
    const root = await lab.root('journal', instance)
    const machineId = (await readFile('/etc/machine-id', 'utf8')).trim()
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim().replaceAll('-', '')
    await root.write('/etc/machine-id', `${machineId}\n`)
    const bin = join(lab.shared, `bin-${instance}`)
    await mkdir(bin)
    const script = `#!/bin/sh\nexec unshare --mount sh -c '${MOUNTED}' '${root.path}' /usr/bin/journalctl "$@"\n`
    await writeFile(join(bin, 'journalctl'), script, { mode: 0o755 })
    const journal = new TestJournal(root, bin, machineId, bootId)
    await journal.clear()
    return journal
  }

  /** The directory of this machine's files, or of another's, or `remote`. */
  folder(name = this.machineId): string {
    return join(this.directory, name)
  }

  /** Removes all files, as if the machine were new. */
  async clear(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await mkdir(this.folder(), { recursive: true })
  }

  /** Writes entries behind those that the file holds; it is made where it is missing. */
  async write(entries: readonly Entry[], file = 'system.journal', folder = this.machineId): Promise<void> {
    await mkdir(this.folder(folder), { recursive: true })
    this.#number++
    const source = join(this.bin, `${this.#number}.export`)
    await writeFile(source, Buffer.concat(entries.map((entry) => this.#exported(entry))))
    const target = `/var/log/journal/${folder}/${file}`
    const input = `/import-${this.#number}`
    await mustRun('cp', [source, this.root.path + input])
    const program = ['/lib/systemd/systemd-journal-remote', '-o', target, input]
    await mustRun('unshare', ['--mount', 'sh', '-c', MOUNTED, this.root.path, ...program])
  }

  /** Journal Export Format: text, or the length in eight bytes where a value has a line feed or is no text. */
  #exported({ ageSeconds = 0, ...fields }: Entry): Buffer {
    this.#number++
    const micros = BigInt(Math.round((Date.now() - ageSeconds * 1000) * 1000 + (this.#number % 1000)))
    const all = {
      __REALTIME_TIMESTAMP: String(micros),
      __MONOTONIC_TIMESTAMP: String(1_000_000 * this.#number),
      _BOOT_ID: this.bootId,
      _MACHINE_ID: this.machineId,
      _HOSTNAME: 'mx',
      _TRANSPORT: 'syslog',
      _PID: 4711,
      PRIORITY: 6,
      ...fields,
    }
    const parts = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [field(name, value)]))
    return Buffer.concat([...parts, Buffer.from('\n')])
  }
}

function field(name: string, value: string | number | Buffer): Buffer {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value))
  if (!Buffer.isBuffer(value) && !bytes.includes(10)) return Buffer.from(`${name}=${value}\n`)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')])
}

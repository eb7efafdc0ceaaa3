// The built popauthd inside a root of the laboratory, installed beside its MTA as on a mail host: both see the same files, users and groups.
import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { Finding, FindingVerdict } from '../../src/doctor/finding.ts'
import { type ChrootProcess, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { inHost } from './netns.ts'
import type { OverlayRoot } from './overlay-root.ts'
import { type RunResult, run } from './run.ts'
import { waitFor } from './wait-for.ts'

const HOME = '/usr/local/lib/popauthd'
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
/** What docs/install.md copies there. */
const PARTS = ['dist', 'node_modules', 'etc', 'packaging', 'docs', 'src']

/** A popauthd that is installed in a root. It runs as the user popauthd. */
export interface PopauthdInRoot {
  /** Runs a command as root, as an operator does. */
  cli(...args: readonly string[]): Promise<RunResult>
  /** What `doctor mta` finds. @throws {Error} where that is no JSON */
  doctor(...args: readonly string[]): Promise<{ code: number; findings: readonly Finding[] }>
  /** Starts the daemon and waits until it is ready. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Installs it with the user, the directories and the program of docs/install.md; `config` is the text of popauthd.yaml. */
export async function installPopauthd(lab: Lab, root: OverlayRoot, config: string): Promise<PopauthdInRoot> {
  await mountProgram(root)
  await root.exec([
    'useradd',
    '--system',
    '--user-group',
    '--no-create-home',
    '--shell',
    '/usr/sbin/nologin',
    'popauthd',
  ])
  await root.exec(['install', '-d', '-o', 'popauthd', '-g', 'popauthd', '-m', '0755', '/run/popauthd'])
  await root.exec(['install', '-d', '-o', 'popauthd', '-g', 'popauthd', '-m', '0711', '/var/lib/popauthd'])
  await root.write('/etc/popauthd/popauthd.yaml', config)
  const program = ['node', `${HOME}/dist/main.js`]
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  const cli = (...args: readonly string[]) =>
    run(
      'ip',
      inHost(lab.server, ['chroot', root.path, '/usr/bin/env', '-i', `PATH=${env.PATH}`, ...program, ...args]),
      {
        timeoutMs: 120_000,
      },
    )
  let daemon: ChrootProcess | undefined
  return {
    cli,
    doctor: async (...args) => {
      const { code, stdout, stderr } = await cli('doctor', 'mta', ...args, '--json')
      if (!stdout.startsWith('{')) throw new Error(`doctor mta: exit ${code}: ${stderr}`)
      return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings }
    },
    start: async () => {
      const as = ['setpriv', '--reuid=popauthd', '--regid=popauthd', '--init-groups']
      const started = startInRoot(root.path, lab.server, [...as, ...program, 'run'])
      daemon = started
      lab.adopt(started)
      await waitFor('popauthd to be ready', () => {
        if (!started.running()) throw new Error(`popauthd has ended:\n${started.output()}`)
        return started.output().includes('"msg":"ready"') || undefined
      })
    },
    stop: async () => {
      await daemon?.signal('SIGTERM')
      await waitFor('the end of popauthd', () => daemon?.running() === false || undefined)
    },
  }
}

/** A finding of this verdict must be there; `text` stands in `check: text` of it. */
export function expectFinding(findings: readonly Finding[], verdict: FindingVerdict, text: RegExp): void {
  const found = findings.filter((one) => one.verdict === verdict && text.test(`${one.check}: ${one.text}`))
  expect(found.length, `${verdict} ${text} in ${JSON.stringify(findings, undefined, 1)}`).toBeGreaterThan(0)
}

async function mountProgram(root: OverlayRoot): Promise<void> {
  for (const part of PARTS) {
    const place = `${root.path}${HOME}/${part}`
    await mkdir(place, { recursive: true })
    await run('mount', ['--bind', await realpath(`${PROJECT}${part}`), place])
  }
  await root.write(`${HOME}/package.json`, '{ "name": "popauthd", "version": "0.0.0", "type": "module" }\n')
  const node = `${root.path}/usr/bin/node`
  await writeFile(node, '')
  await chmod(node, 0o755)
  await run('mount', ['--bind', await realpath(process.execPath), node])
}

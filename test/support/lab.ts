// The laboratory of one test file: a network, a shared directory, overlays of the cached roots. Everything goes when it is disposed.
import { mkdir } from 'node:fs/promises'
import type { ChrootProcess } from './chroot-process.ts'
import { labDirectory, newLabName, removeLabDirectory, removeStaleLabs } from './lab-names.ts'
import { type LabHost, type LabNetwork, openNetwork } from './netns.ts'
import { mountOverlay, type OverlayRoot } from './overlay-root.ts'
import type { RootName } from './roots.ts'
import { mustRun } from './run.ts'

/** Open one per test file, in `beforeAll`; dispose it in `afterAll`. Files can run in parallel. */
export interface Lab extends AsyncDisposable {
  /** The mail host. Every server runs here; popauthd under test runs on the machine itself and meets them in `shared`. */
  readonly server: LabHost
  /**
   * A directory that has the same path on the host and inside every root, root's and 0755 all the way:
   * `log/` for log files, `mail/` for maps, `run/` for sockets.
   */
  readonly shared: string
  /** Adds a client host with addresses of its own, see `LabNetwork.addClient`. */
  addClient(...addresses: string[]): Promise<LabHost>
  /** The laboratory's overlay of a root: one for each `instance`, mounted when first asked for. */
  root(name: RootName, instance?: string): Promise<OverlayRoot>
  /** Hands a running server to the laboratory, which ends it when disposed. Ending it before is fine. */
  adopt(process: ChrootProcess): void
}

/** Removes what dead runs left behind, then sets up an empty laboratory. @throws {Error} when a tool refuses, naming it. */
export async function openLab(): Promise<Lab> {
  await removeStaleLabs()
  const name = newLabName()
  const directory = labDirectory(name)
  const shared = `${directory}/shared`
  await mkdir(directory, { recursive: true, mode: 0o755 })
  try {
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'mode=0755,size=2g', name, directory])
    for (const part of ['log', 'mail', 'run']) await mkdir(`${shared}/${part}`, { recursive: true, mode: 0o755 })
    return assemble(directory, shared, await openNetwork(name))
  } catch (error) {
    await removeLabDirectory(directory)
    throw error
  }
}

function assemble(directory: string, shared: string, network: LabNetwork): Lab {
  const processes: ChrootProcess[] = []
  const roots = new Map<string, Promise<OverlayRoot>>()
  return {
    server: network.server,
    shared,
    addClient: (...addresses) => network.addClient(addresses),
    root: (name, instance = 'main') => {
      const key = `${name}-${instance}`
      const root = roots.get(key) ?? mountOverlay(name, `${directory}/${key}`, shared)
      roots.set(key, root)
      return root
    },
    adopt: (process) => void processes.push(process),
    [Symbol.asyncDispose]: async () => {
      for (const process of processes.reverse()) await process.kill()
      await Promise.allSettled(roots.values())
      await network[Symbol.asyncDispose]()
      await removeLabDirectory(directory)
    },
  }
}

// An MTA in a root of the laboratory that can be started anew, as an operator restarts his.
import { type ChrootProcess, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import type { OverlayRoot } from './overlay-root.ts'
import { waitForPort } from './port.ts'
import { type RunOptions, type RunResult, run } from './run.ts'

/** A running MTA; all members speak of the process that runs at the moment. */
export interface MtaProcess extends ChrootProcess {
  /** Kills it and everything that it started, then starts it anew. @throws {Error} with its output when it does not answer */
  restart(): Promise<void>
  /** Runs a program of its root beside it, with its mounts, processes and network. */
  beside(commandLine: readonly string[], options?: RunOptions): Promise<RunResult>
}

/** What differs from one MTA to the next. */
interface MtaOptions {
  /** By default 25. */
  readonly port?: number
  /** Addresses on which it must answer; by default the server's IPv4 and IPv6 address. */
  readonly addresses?: readonly string[]
}

/** Starts `commandLine` in the root on the mail host and waits until it answers. The laboratory ends it. */
export async function startMta(
  lab: Lab,
  root: OverlayRoot,
  commandLine: readonly string[],
  { port = 25, addresses = [SERVER_ADDRESS, SERVER_ADDRESS6] }: MtaOptions = {},
): Promise<MtaProcess> {
  let current: ChrootProcess | undefined
  const now = () => current as ChrootProcess
  const restart = async () => {
    await current?.kill()
    current = startInRoot(root.path, lab.server, commandLine)
    lab.adopt(current)
    for (const address of addresses) await waitForPort(lab.server, address, port, current)
  }
  await restart()
  const beside = async (commandLine: readonly string[], options?: RunOptions) => {
    const enter = ['--target', String(await now().pid()), '--mount', '--pid', '--net', '--root', '--wd', '--']
    return run('nsenter', [...enter, ...commandLine], options)
  }
  return {
    restart,
    beside,
    output: () => now().output(),
    running: () => now().running(),
    pid: () => now().pid(),
    signal: (name) => now().signal(name),
    kill: () => now().kill(),
    [Symbol.asyncDispose]: () => now().kill(),
  }
}

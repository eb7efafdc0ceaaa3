// Runs servers that put themselves into the background, with a shell that stays as process 1 and collects their children.
import { type ChrootProcess, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from './netns.ts'
import type { OverlayRoot } from './overlay-root.ts'
import { waitForPort } from './port.ts'

/** A port to wait for; by default of both families. */
interface AwaitedPort {
  readonly port: number
  readonly families?: readonly (4 | 6)[]
}

/**
 * Runs `script` (shell, which must not end before the servers run) on the mail host, there called `mx` as in its log, and waits for the ports.
 * @throws {Error} with what the servers said when one of them does not answer.
 */
export async function startServers(
  lab: Lab,
  root: OverlayRoot,
  script: string,
  ports: readonly AwaitedPort[],
): Promise<ChrootProcess> {
  const whole = `hostname mx && ${script}\nwhile sleep 1d; do :; done`
  const process = startInRoot(root.path, lab.server, ['unshare', '--uts', 'sh', '-ec', whole])
  lab.adopt(process)
  for (const { port, families = [4, 6] } of ports) {
    for (const family of families) {
      await waitForPort(lab.server, family === 4 ? SERVER_ADDRESS : SERVER_ADDRESS6, port, process)
    }
  }
  return process
}

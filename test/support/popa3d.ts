// The real popa3d as a standalone daemon. It logs a login in two lines: the session's address, then the user.
import { type ChrootProcess, isolated, startInRoot } from './chroot-process.ts'
import type { Lab } from './lab.ts'
import { SERVER_ADDRESS } from './netns.ts'
import { waitForPort } from './port.ts'
import { addSystemUsers } from './system-users.ts'

/** The running popa3d: port 110 of the server's IPv4 address, so not beside a Dovecot on that port. */
type Popa3dServer = ChrootProcess

/** Starts popa3d with the system users alice, bob and carol, and waits until it answers. It logs through syslog only. `by`: how its root is entered. */
export async function startPopa3d(lab: Lab, by = isolated): Promise<Popa3dServer> {
  const root = await lab.root('popa3d')
  await addSystemUsers(root)
  // `popa3d -D` puts itself into the background: a shell stays as process 1 and collects its children.
  const process = startInRoot(root.path, lab.server, ['sh', '-c', 'popa3d -D && while sleep 1d; do :; done'], by)
  lab.adopt(process)
  await waitForPort(lab.server, SERVER_ADDRESS, 110, process)
  return process
}

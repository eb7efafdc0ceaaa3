// Users of the operating system in a root, for servers that ask PAM or the shadow file.
import { LAB_PASSWORD } from './dovecot.ts'
import type { OverlayRoot } from './overlay-root.ts'

/** Those of the laboratory's users whose names the operating system takes. */
export const SYSTEM_USERS = ['alice', 'bob', 'carol'] as const

/** Adds them with home directories and the laboratory's password. Once for each root. */
export async function addSystemUsers(root: OverlayRoot): Promise<void> {
  for (const user of SYSTEM_USERS) await root.exec(['useradd', '--create-home', user])
  const passwords = SYSTEM_USERS.map((user) => `${user}:${LAB_PASSWORD}\n`)
  await root.exec(['chpasswd'], { input: passwords.join('') })
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hostTools } from './tools.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-tools-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

it('a file is read in its own encoding, one that is missing is none', async () => {
  writeFileSync(join(directory, 'utf8'), 'für')
  writeFileSync(join(directory, 'latin1'), Buffer.from('für', 'latin1'))
  expect(await hostTools.read(join(directory, 'utf8'))).toBe('für')
  expect(await hostTools.read(join(directory, 'latin1'))).toBe('für')
  expect(await hostTools.read(join(directory, 'none'))).toBeUndefined()
  expect(await hostTools.stat(join(directory, 'utf8', 'none'))).toBeUndefined()
})

it('a pipe in the place of a file is an error, and is not waited for', async () => {
  execFileSync('mkfifo', [join(directory, 'pipe')])
  await expect(hostTools.read(join(directory, 'pipe'))).rejects.toThrow(/cannot look at \S+pipe: it is no regular file/)
})

it.skipIf(process.geteuid?.() !== 0)(
  "a program may have another's rights alone, and no part in the terminal (skipped: needs root)",
  async () => {
    const groups = process.getgroups?.() ?? []
    process.setgroups?.([0, 4])
    try {
      const script = 'id -u; id -G; ps -o sid= -p $$; echo $$'
      const told = await hostTools.run(['sh', '-c', script], { as: { uid: 65_534, gid: 65_534 } })
      const [uid, gids, session, own] = (told?.stdout ?? '').split('\n').map((line) => line.trim())
      expect([uid, gids, session]).toEqual(['65534', '65534', own])
    } finally {
      process.setgroups?.(groups)
    }
  },
)

it('a program has the usual environment and what is given, and ends though it left something running', async () => {
  const told = await hostTools.run(['sh', '-c', 'echo "$PATH $WORD $HOME"; sleep 600 & echo $! >&2; exit 3'], {
    env: { WORD: 'x', PATH: '/evil' },
  })
  expect(told).toMatchObject({ code: 3, stdout: expect.stringMatching(/^\/usr\/sbin:\S+ x \n$/) })
  process.kill(Number(told?.stderr))
  expect(await hostTools.run(['/no/such/program'])).toBeUndefined()
})

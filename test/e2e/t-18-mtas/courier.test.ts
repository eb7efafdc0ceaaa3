// Courier reads smtpaccess.dat, made of its own files and of one that popauthd keeps, with the text of docs/courier.md.
import { readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { refreshProgram, startCourierMta } from '../../support/courier-mta.ts'
import type { Lab } from '../../support/lab.ts'
import type { AttachedFile } from '../../support/mta-attachment.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import type { Stage } from '../../support/mta-stage.ts'
import { blocksOf, commandsOf } from '../../support/page-blocks.ts'
import { run } from '../../support/run.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('courier.md')
const SMTPACCESS = '/etc/courier/smtpaccess'
const pathIn = (lab: Lab) => `${lab.shared}/mail/smtpaccess-of-popauthd`

async function courier(lab: Lab): Promise<AttachedFile> {
  const path = pathIn(lab)
  const { maps } = parse(page('popauthd')) as { maps: [{ path: string; command: [string, string] }] }
  asRoot(maps[0].path)
  const note = maps[0].command[1]
  expect(page('path unit')).toContain(`PathExists=${note}\n`)
  // popauthd runs the commands of the unit itself, which systemd runs where it finds the note.
  const unit = page('service unit', { [note]: `${lab.shared}/run/courier-changed`, [maps[0].path]: path })
  const { root, restart, refresh } = await startCourierMta(lab, commandsOf(unit))
  const map = { ...maps[0], path, rules: root.path + SMTPACCESS, command: [refresh] }
  return { config: { maps: [map] }, restart, files: [`${root.path}${SMTPACCESS}.dat`] }
}

/** popauthd as root keeps the same file, and a link puts it where the copy is otherwise. */
function asRoot(path: string): void {
  const { maps } = parse(page('as root')) as { maps: [{ path: string; command: [string] }] }
  expect(maps[0]).toMatchObject({ path, command: ['/usr/sbin/makesmtpaccess'] })
  expect(page('link')).toBe(`ln -s ${path} ${SMTPACCESS}/popauthd\n`)
}

/** Writes a file of the operator's own. */
async function operatorWrites(stage: Stage, text: string): Promise<void> {
  const { path: root } = await stage.lab.root('courierMta')
  await writeFile(`${root}${SMTPACCESS}/mine`, text)
}

const lineOf = async (stage: Stage, address: string) =>
  (await readFile(pathIn(stage.lab), 'latin1')).split('\n').find((line) => line.startsWith(`${address}\t`))

async function heedsTheOperator(stage: Stage): Promise<void> {
  const [taken, denied, own, six] = ['198.51.100.20', '198.51.100.21', '198.51.100.22', '2001:db8:2::7']
  for (const address of [taken, denied, own]) await stage.grant(address)
  await stage.popauthd.ask('allow', six)
  for (const address of [taken, denied, own, six]) await stage.until('250', address)
  await operatorWrites(
    stage,
    `# mine\n198.51.100\tallow,SIZELIMIT=4711\n198.51.100.21-198.51.100.21\tdeny\n${own}\tallow\n2001:db8:2::/47\tdeny\n`,
  )
  await stage.until('no connection', denied)
  await stage.until('no connection', six)
  await stage.until(stage.attachment.refused, own)
  expect(await stage.ask(taken)).toBe('250')
  expect(await lineOf(stage, taken)).toBe(`${taken}\tallow,SIZELIMIT=4711,RELAYCLIENT`)
  for (const address of [denied, own]) expect(await lineOf(stage, address)).toBeUndefined()
  await operatorWrites(stage, '# nothing\n')
  for (const address of [denied, own, six]) await stage.until('250', address)
}

/** A file that makesmtpaccess refuses: what is in force stays, popauthd says so and tries again. */
async function triesAgain(stage: Stage): Promise<void> {
  const [before, after] = ['198.51.100.23', '198.51.100.24']
  await stage.grant(before)
  await stage.until('250', before)
  await operatorWrites(stage, '192.0.2.1\tallow\n192.0.2.1\tallow\n')
  const refused = () =>
    stage.popauthd.events.find((event) => event.msg === 'cannot publish' && String(event.problem).includes('duplicate'))
  await waitFor('the word of makedat', refused)
  await stage.grant(after)
  expect(await stage.ask(before)).toBe('250')
  expect(await stage.ask(after)).toBe(stage.attachment.refused)
  await operatorWrites(stage, '# nothing\n')
  await stage.until('250', after)
}

/** Who has taken the account of popauthd over puts a link in the place of its file: nothing of what root may read gets anywhere. */
async function readsAsPopauthd(stage: Stage): Promise<void> {
  const { path: root, exec } = await stage.lab.root('courierMta')
  const from = '198.51.100.25'
  await stage.grant(from)
  await stage.until('250', from)
  await stage.popauthd.stop()
  const [path, copy, secret] = [pathIn(stage.lab), `${root}${SMTPACCESS}/popauthd`, 'mine-alone:$6$hash']
  const before = await readFile(copy, 'latin1')
  await exec(['sh', '-ec', `echo '${secret}' >>/etc/shadow`])
  await rm(path)
  await symlink('/etc/shadow', path)
  const refreshed = await run(refreshProgram(stage.lab), [])
  expect(refreshed.stderr).toMatch(/cat: \S+: Permission denied/)
  expect(await readFile(copy, 'latin1')).toBe(before)
  expect(await readFile(`${root}${SMTPACCESS}.dat`, 'latin1')).not.toContain(secret)
  await rm(path)
  await stage.popauthd.start()
  await stage.until('250', from)
}

describeAttachment(
  {
    kind: 'file',
    mta: 'Courier',
    form: 'smtpaccess',
    page: 'courier.md',
    start: courier,
    refused: '513',
    expected: {
      login: '250 / 513',
      expired: '513 / 250',
      revoked: '513 / 250',
      missing: '513, local 250',
      mended: 'restart',
    },
  },
  (stage) => {
    it("heeds the operator's own files", () => heedsTheOperator(stage))
    it('keeps what is in force while makesmtpaccess fails', () => triesAgain(stage))
    it('reads the file of popauthd with the rights of popauthd', () => readsAsPopauthd(stage))
  },
)

// Postfix reads a map that popauthd keeps, with the settings that docs/postfix.md gives, smtpd in its chroot: the scenes that all attachments play.
import { mkdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Lab } from '../../support/lab.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import type { Stage } from '../../support/mta-stage.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { startPostfix } from '../../support/postfix.ts'
import { postfixTools } from '../../support/postmap.ts'
import { run } from '../../support/run.ts'

const page = blocksOf('postfix.md')

const attach = (type: 'lmdb' | 'cdb') => async (lab: Lab) => {
  const { maps } = parse(page('popauthd map', { lmdb: type })) as { maps: { path: string }[] }
  const [entry] = maps as [{ path: string }]
  const path = `${lab.shared}/mail/postfix/authorized`
  const tools = `${lab.shared}/mail/postmap`
  for (const directory of [`${lab.shared}/mail/postfix`, tools]) await mkdir(directory)
  const { restart } = await startPostfix(lab, { mainCf: page('map', { [entry.path]: path, 'lmdb:': `${type}:` }) })
  const { command } = await postfixTools(tools)
  return { config: { maps: [{ ...entry, path, command }] }, restart, files: [`${path}.${type}`] }
}

const POSTFIX = { kind: 'file', mta: 'Postfix', page: 'postfix.md', refused: '554' } as const

describeAttachment(
  {
    ...POSTFIX,
    form: 'lmdb map',
    start: attach('lmdb'),
    expected: { missing: '451, local 250', mended: 'restart' },
  },
  (stage) => {
    opensWholeAddressesOnly(stage)

    it('is made whole again after a postmap by hand', async () => {
      const [postmap = ''] = (stage.attached.config as { maps: { command: string[] }[] }).maps[0]?.command ?? []
      const map = `lmdb:${(stage.map.files[0] as string).replace(/\.lmdb$/, '')}`
      await stage.grant('198.51.100.24')
      await stage.until('250', '198.51.100.24')
      const { code } = await run(postmap, ['-i', map], { input: '198.51.100.25 OK\n' })
      expect(code).toBe(0)
      await run(postmap, ['-d', '198.51.100.24', map])
      await stage.until('554', '198.51.100.25')
      await stage.until('250', '198.51.100.24')
    })
  },
)

describeAttachment(
  {
    ...POSTFIX,
    form: 'cdb map',
    start: attach('cdb'),
    // An open session keeps the file that it has opened.
    expected: {
      login: '250 / 554',
      expired: '554 / 250',
      revoked: '554 / 250',
      missing: '451, local 250',
      mended: 'restart',
    },
  },
  opensWholeAddressesOnly,
)

/** `2001:db8:2::7` is what Postfix leaves of `2001:db8:2::7:9` when it cuts it. */
function opensWholeAddressesOnly(stage: Stage): void {
  it('opens no address that begins like that of a client', async () => {
    await stage.popauthd.ask('allow', '2001:db8:2::7')
    await stage.until('250', '2001:db8:2::7')
    expect(await stage.askStranger('2001:db8:2::7:9')).toBe('554')
  })
}

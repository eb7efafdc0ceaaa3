// Postfix and Exim ask popauthd live, with the settings that docs/postfix.md and docs/exim.md give: the scenes that all attachments play.
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { startExim } from '../../support/exim.ts'
import type { Lab } from '../../support/lab.ts'
import { type Attached, attachedAt, FOREIGN, LOCAL, type LookupEntry } from '../../support/mta-attachment.ts'
import { refusesWhereItHangsUp } from '../../support/mta-last-scenes.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import { type Stage, WINDOW_SECONDS } from '../../support/mta-stage.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { type PostfixOptions, startPostfix } from '../../support/postfix.ts'
import { askRelay, openSmtpSession } from '../../support/smtp-session.ts'

const postfixPage = blocksOf('postfix.md')
const eximPage = blocksOf('exim.md')

const entryOf = (page: typeof postfixPage, protocol: string) => {
  const { lookups } = parse(page('popauthd')) as { lookups: LookupEntry[] }
  return lookups.find((entry) => entry.protocol === protocol) as LookupEntry
}

const postfix = (protocol: string, options: PostfixOptions) => async (lab: Lab) => {
  const { socketDirectory, root } = await startPostfix(lab, options)
  const entry = entryOf(postfixPage, protocol)
  return attachedAt(entry, entry.socket.replace('/var/spool/postfix/popauthd', socketDirectory), root)
}

async function exim(lab: Lab): Promise<Attached> {
  const entry = entryOf(eximPage, 'readsocket')
  const socket = `${lab.shared}/run/exim.sock`
  const { root } = await startExim(lab, eximPage('acl', { [entry.socket]: socket }))
  return attachedAt(entry, socket, root)
}

const POSTFIX = { kind: 'live', mta: 'Postfix', page: 'postfix.md', refused: '554' } as const
const socketMap = { hung: 'waits', killed: '451', restarted: '250', stopped: '451' }
const proxied = postfixPage('socketmap', { 'socketmap:': 'proxy:socketmap:' })

describeAttachment(
  {
    ...POSTFIX,
    form: 'socket map, chroot',
    start: postfix('socketmap', { mainCf: postfixPage('socketmap'), masterCf: postfixPage('own port') }),
    expected: socketMap,
  },
  (stage) => {
    it('permits no more on a port of its own', async () => {
      const target = { port: 2525, from: '198.51.100.20' }
      await stage.grant(target.from)
      expect((await askRelay(stage.client, target)).code).toBe(250)
      expect((await askRelay(stage.stranger, { port: 2525 })).code).toBe(554)
      expect((await askRelay(stage.stranger, { port: 2525 }, LOCAL)).code).toBe(250)
    })
    refusesWhereItHangsUp(stage)
  },
)

describeAttachment(
  {
    ...POSTFIX,
    form: 'socket map, no chroot',
    start: postfix('socketmap', { mainCf: postfixPage('socketmap'), chroot: false }),
    expected: socketMap,
  },
  refusesWhereItHangsUp,
)

describeAttachment(
  {
    ...POSTFIX,
    form: 'socket map, proxymap',
    start: postfix('socketmap', { mainCf: proxied, script: postfixPage('proxy') }),
    expected: socketMap,
  },
  refusesWhereItHangsUp,
)

describeAttachment(
  {
    ...POSTFIX,
    form: 'policy service',
    start: postfix('policy', { mainCf: postfixPage('policy') }),
    expected: { hung: '450', killed: '450', restarted: '250', stopped: '450' },
  },
  (stage) => {
    it('writes down who relayed, and on which login', async () => {
      const [from, recipient] = ['198.51.100.20', 'audit@elsewhere.example.com']
      await stage.grant(from)
      await using session = await openSmtpSession(stage.client, { from })
      await session.mailFrom('boss"\u001b[31m@example.org')
      await session.mailFrom('boss@example.org')
      expect((await session.rcpt(recipient)).code).toBe(250)
      const told = await stage.popauthd.event('relay permitted', { ip: from, recipient })
      expect(told).toMatchObject({ level: 'info', user: 'user20', sender: 'boss@example.org' })
      expect(Date.parse(String(told.until))).toBe(Date.parse(String(told.login)) + WINDOW_SECONDS * 1000)
    })
    refusesWhereItHangsUp(stage)
  },
)

describeAttachment(
  {
    kind: 'live',
    mta: 'Exim',
    form: 'readsocket',
    page: 'exim.md',
    start: exim,
    refused: '550',
    expected: { hung: '451', killed: '451', restarted: '250 / 451', stopped: '451' },
  },
  (stage) => {
    it('with strict_acl_vars needs the line of the page, and does the same then', () => strictVariables(stage))
    refusesWhereItHangsUp(stage)
  },
)

/** What `exim -bh` says to relay attempts of a client and of a stranger, with `connect` as the ACL of connections. */
async function strictVariables(stage: Stage): Promise<void> {
  const { exec, write } = await stage.lab.root('exim')
  const client = '198.51.100.20'
  await stage.grant(client)
  await stage.until('250', client)
  const text = await exec(['cat', '/etc/exim4/exim4.conf'])
  const ask = async (address: string, connect: string) => {
    const strict = `strict_acl_vars\nacl_smtp_connect = acl_connect\n${text}`
    const acl = `begin acl\n\nacl_connect:\n${connect}  accept\n`
    await write(
      '/etc/exim4/strict.conf',
      strict.replace('begin acl\n', () => acl),
    )
    const recipients = [FOREIGN, FOREIGN, LOCAL].map((one) => `RCPT TO:<${one}>\r\n`).join('')
    const input = `EHLO x\r\nMAIL FROM:<>\r\n${recipients}QUIT\r\n`
    const said = await exec(['exim4', '-C', '/etc/exim4/strict.conf', '-bh', address], { input })
    return [...said.matchAll(/^(\d{3}) /gm)].map(([, code]) => code).slice(3, 6)
  }
  for (const address of [client, '203.0.113.9']) expect(await ask(address, '')).toEqual(['451', '451', '250'])
  expect(await ask(client, eximPage('strict'))).toEqual(['250', '250', '250'])
  expect(await ask('203.0.113.9', eximPage('strict'))).toEqual(['550', '550', '250'])
}

// tcpserver reads the rules that popauthd keeps, with the text of docs/qmail.md, and the file says what tcprules' own would.
import { rm, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import type { StatusAnswer } from '../../../src/admin/api-types.ts'
import type { Lab } from '../../support/lab.ts'
import { type AttachedFile, LOCAL } from '../../support/mta-attachment.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import type { Stage } from '../../support/mta-stage.ts'
import type { OverlayRoot } from '../../support/overlay-root.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { qmailRoot, SMTP_FRONT, startTcpserver } from '../../support/qmail.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('qmail.md')
const { maps } = parse(page('popauthd')) as { maps: [{ path: string; rules: string }] }
const pathsIn = (lab: Lab) => ({ path: `${lab.shared}/mail/tcp.smtp.cdb`, rules: `${lab.shared}/mail/tcp.smtp` })

async function tcpserver(lab: Lab): Promise<AttachedFile> {
  const root = await qmailRoot(lab)
  const { path, rules } = pathsIn(lab)
  await writeFile(rules, page('rules'))
  const script = page('run', { [maps[0].path]: path, '/var/qmail/bin/qmail-smtpd': SMTP_FRONT })
  let running: Awaited<ReturnType<typeof startTcpserver>> | undefined
  const restart = async () => {
    await running?.kill()
    running = await startTcpserver(lab, root, script)
  }
  return { config: { maps: [{ ...maps[0], path, rules }] }, restart, files: [path] }
}

/** What tcpserver would do, by tcprulescheck. */
function check(root: OverlayRoot, cdb: string, ip: string, env: Record<string, string> = {}): Promise<string> {
  return root.exec([
    'env',
    '-i',
    `TCPREMOTEIP=${ip}`,
    ...Object.entries(env).map((pair) => pair.join('=')),
    '/usr/bin/tcprulescheck',
    cdb,
  ])
}

/** Rules of every kind, and what was allowed besides for clients that have logged in, as an operator would have to write it. */
const RULES = `# of every kind
127.:allow,RELAYCLIENT=""
192.0.2.64-66:allow,RELAYCLIENT="@fixme",DATABYTES='5"0'
198.51.100.:allow,P="prefix"
198.51.100.21:allow,OWN="1",TWO=/2/
198.51.100.22:deny
203.0.113.:deny,WHY="spam"
10.1-2.:allow,R="range"
joe@198.51.100.20:deny
joe@=host.example.com:allow,JOE="1"
=host.example.com:allow
2001:db8:2::7:allow,SIX="6"
2001:db8:2::8:deny
2001:db8:2:allow,S=" two "
:allow,D="default"
:deny
`
const LOGINS = `198.51.100.20:allow,P="prefix",RELAYCLIENT=""
198.51.100.21:allow,OWN="1",TWO=/2/,RELAYCLIENT=""
198.51.100.24:allow,P="prefix",RELAYCLIENT=""
2001:db8:2::7:allow,SIX="6",RELAYCLIENT=""
2001:db8::1:2:3:4:5:allow,D="default",RELAYCLIENT=""
`
const OPENED = ['198.51.100.20', '198.51.100.21', '198.51.100.24', '2001:db8:2::7', '2001:db8:0:1:2:3:4:5']
const DENIED = ['198.51.100.22', '203.0.113.5', '2001:db8:2::8']
const ASKED = [
  ...[
    '198.51.100.20',
    '198.51.100.21',
    '198.51.100.22',
    '198.51.100.23',
    '198.51.100.24',
    '2001:db8:2::7',
    '2001:db8:2::8',
  ],
  ...[
    '2001:db8::1:2:3:4:5',
    '2001:db8:2::9',
    '2001:db8:3::9',
    '127.0.0.1',
    '192.0.2.63',
    '192.0.2.64',
    '192.0.2.66',
    '192.0.2.67',
  ],
  ...['203.0.113.5', '10.1.2.3', '10.2.3.4', '10.3.4.5', '8.8.8.8', '0.0.0.0', '::1'],
]
const WHO: readonly Record<string, string>[] = [
  {},
  { TCPREMOTEHOST: 'host.example.com' },
  { TCPREMOTEINFO: 'joe' },
  { TCPREMOTEINFO: 'joe', TCPREMOTEHOST: 'host.example.com' },
]

async function saysTheSame(stage: Stage): Promise<void> {
  const { path, rules } = pathsIn(stage.lab)
  const root = await stage.lab.root('qmail')
  for (const address of [...OPENED, ...DENIED]) await stage.popauthd.ask('allow', address)
  await writeFile(rules, RULES)
  const theirs = `${stage.lab.shared}/mail/theirs.cdb`
  await root.exec(['tcprules', theirs, `${theirs}.tmp`], { input: LOGINS + RULES })
  await waitFor('the new rules', async () => (await check(root, path, '8.8.8.8')).includes('D=default') || undefined)
  for (const ip of ASKED)
    for (const who of WHO)
      expect(await check(root, path, ip, who), `${ip} ${JSON.stringify(who)}`).toBe(await check(root, theirs, ip, who))
  for (const ip of OPENED.slice(0, 4))
    expect(await check(root, path, ip)).toContain('set environment variable RELAYCLIENT=\n')
}

async function minds(stage: Stage): Promise<void> {
  const { rules } = pathsIn(stage.lab)
  const [before, after] = ['198.51.100.25', '198.51.100.26']
  await stage.popauthd.ask('allow', '198.51.100.20')
  await writeFile(rules, '198.51.100.20:deny\n')
  await stage.until('no connection', '198.51.100.20')
  await stage.grant(before)
  await stage.until('250', before)
  await writeFile(rules, ':allow\n198.51.100.2\n')
  const told = () => stage.popauthd.events.find(({ msg }) => String(msg).includes(`line 2 of ${rules}`))
  expect(await waitFor('the word about line 2', told)).toMatchObject({
    level: 'warn',
    mend: expect.stringContaining('ADDRESS'),
  })
  await stage.grant(after)
  await stage.until('250', after)
  await stage.popauthd.ask('revoke', before)
  await stage.until('550', before)
  expect(await stage.ask('198.51.100.20')).toBe('no connection')
  await writeFile(rules, `${after}:deny\n`)
  await stage.until('no connection', after)
  await stage.until('250', '198.51.100.20')
}

/** The daemon starts with rules that nobody can read: by those of the run before, or with nobody who has logged in. */
async function startsWithoutRules(stage: Stage): Promise<void> {
  const { path, rules } = pathsIn(stage.lab)
  const { popauthd } = stage
  const [from, other, own] = ['198.51.100.27', '198.51.100.28', '198.51.100.29']
  await writeFile(rules, `${own}:deny\n198.51.100.:allow,P="prefix"\n:allow\n`)
  await stage.until('no connection', own)
  await stage.grant(from)
  await stage.until('250', from)
  await popauthd.stop()
  await writeFile(rules, 'nonsense\n')
  await popauthd.start()
  await stage.grant(other)
  await stage.until('250', other)
  expect([await stage.ask(from), await stage.ask(own)]).toEqual(['250', 'no connection'])
  expect((await popauthd.ask<StatusAnswer>('status')).publishers).toMatchObject([
    { state: 'in_step', problem: expect.stringMatching(/line 1 of .*what was read before stays in force/) },
  ])
  await popauthd.stop()
  await rm(`${path}.rules-read~`)
  await popauthd.start()
  await stage.until('550', from)
  expect([await stage.ask(other), await stage.ask(own)]).toEqual(['550', 'no connection'])
  expect(await stage.ask(from, LOCAL)).toBe('250')
  expect(await check(await stage.lab.root('qmail'), path, from)).toMatch(/variable P=prefix\nallow/)
  expect((await popauthd.ask<StatusAnswer>('status')).publishers).toMatchObject([
    { state: 'failing', problem: expect.stringMatching(/lets nobody relay who has logged in/) },
  ])
  await writeFile(rules, ':allow\n')
  await stage.until('250', from)
}

describeAttachment(
  {
    kind: 'file',
    mta: 'qmail',
    form: 'tcpserver, tcprules',
    page: 'qmail.md',
    start: tcpserver,
    refused: '550',
    expected: {
      login: '250 / 550',
      expired: '550 / 250',
      revoked: '550 / 250',
      missing: '550, local 250',
      mended: '250',
    },
  },
  (stage) => {
    it('says of each client what a file of the real tcprules says', () => saysTheSame(stage))
    it('goes on with the rules as they were while a line is wrong, and heeds a deny', () => minds(stage))
    it('starts with the rules of the run before, or closes, where it cannot read them', () => startsWithoutRules(stage))
  },
)

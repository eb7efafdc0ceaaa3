// OpenSMTPD asks popauthd live through its table program, with the settings that docs/opensmtpd.md gives: the scenes that all attachments play, and its own.
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Lab } from '../../support/lab.ts'
import { type Attached, attachedAt, FOREIGN, LOCAL, type LookupEntry } from '../../support/mta-attachment.ts'
import { refusesWhereItHangsUp } from '../../support/mta-last-scenes.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import type { Stage } from '../../support/mta-stage.ts'
import { type OpensmtpdServer, startOpensmtpd } from '../../support/opensmtpd.ts'
import { MAIL_HOST } from '../../support/overlay-root.ts'
import { blocksOf } from '../../support/page-blocks.ts'
import { run } from '../../support/run.ts'
import { openTransaction } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const page = blocksOf('opensmtpd.md')
const REFUSED = '550'
const AWAY = '451'

let smtpd: OpensmtpdServer

async function start(lab: Lab): Promise<Attached> {
  const { lookups } = parse(page('popauthd')) as { lookups: [LookupEntry] }
  const [entry] = lookups
  const socket = `${lab.shared}/run/opensmtpd.sock`
  const rules = page('rules', { [entry.socket]: socket, '"example.net"': `"${MAIL_HOST}"` })
  smtpd = await startOpensmtpd(lab, { rules, script: page('program') })
  return attachedAt(entry, socket, smtpd.root)
}

describeAttachment(
  {
    kind: 'live',
    mta: 'OpenSMTPD',
    form: 'table program',
    page: 'opensmtpd.md',
    start,
    refused: REFUSED,
    expected: { hung: AWAY, killed: AWAY, restarted: '250', stopped: AWAY },
  },
  (stage) => {
    refusesWhereItHangsUp(stage)
    ownScenes(stage)
  },
)

/** The process ids of the table programs that run on the mail host. */
const tablePrograms = async ({ lab }: Stage) => {
  const pids = (await run('ip', ['netns', 'pids', lab.server.namespace])).stdout.split('\n').filter(Boolean)
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, i) => lines[i]?.includes('table-popauthd')).map(Number)
}

function ownScenes(stage: Stage): void {
  const from = '198.51.100.20'

  it('runs one table program through all this, as a user of its own, whatever signal it gets', async () => {
    await stage.grant(from)
    const [pid = 0, ...others] = await tablePrograms(stage)
    expect(others).toEqual([])
    const user = (await smtpd.root.exec(['id', '-u', 'opensmtpd'])).trim()
    expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\s+${user}\\s+${user}\\s`, 'm'))
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.kill(pid, signal)
    expect(await stage.ask(from)).toBe('250')
    expect(await tablePrograms(stage)).toEqual([pid])
    expect(smtpd.running()).toBe(true)
  })

  it('is no matter of updates', async () => {
    expect(await smtpd.beside(['smtpctl', 'update', 'table', 'popauth'])).toMatchObject({ code: 0, stderr: '' })
  })

  it('holds up other mail for a moment, and only once, while popauthd hangs; says why', async () => {
    stage.popauthd.signal('SIGSTOP')
    const startMs = performance.now()
    const relaying = stage.askStranger()
    expect(await stage.ask(from, LOCAL)).toBe('250')
    expect(await relaying).toBe(AWAY)
    const heldUpMs = performance.now() - startMs
    for (let i = 0; i < 10; i++) expect(await stage.askStranger()).toBe(AWAY)
    expect(performance.now() - startMs - heldUpMs).toBeLessThan(10 * heldUpMs)
    expect(smtpd.output()).toMatch(/table-proc: popauth check failed: popauthd does not answer at \/.*opensmtpd\.sock/)
    stage.popauthd.signal('SIGCONT')
    await waitFor('an answer', async () => (await stage.askStranger()) === REFUSED || undefined)
    expect(smtpd.output()).toMatch(
      /table-proc: popauth check failed: cannot reach popauthd at .*: (ENOENT|ECONNREFUSED)/,
    )
  })

  it('delivers local mail, and takes what programs of the host itself send elsewhere, without popauthd', async () => {
    expect(await stage.popauthd.stop()).toBe(0)
    await using session = await openTransaction(stage.stranger)
    expect((await session.rcpt(LOCAL)).code).toBe(250)
    const subject = 'while popauthd is away'
    expect((await session.send(subject)).code).toBe(250)
    const find = ['grep', '-r', subject, '/home/alice/Maildir/new']
    await waitFor('the mail', async () => (await smtpd.root.tryExec(find)).code === 0 || undefined)
    const mail = 'Subject: from the host itself\n\nHello.\n'
    const sent = await smtpd.beside(['sendmail', '-f', 'bob@example.org', FOREIGN], { input: mail })
    expect(sent).toMatchObject({ code: 0, stderr: '' })
    await stage.popauthd.start()
  })

  it('ends smtpd when the table program is killed: which is why it must not end by itself', async () => {
    const [pid = 0] = await tablePrograms(stage)
    process.kill(pid, 'SIGKILL')
    // The next question tells smtpd.
    await stage.askStranger().catch(() => undefined)
    await waitFor('the end of smtpd', () => !smtpd.running() || undefined)
  })
}

// `setup mta --write` on the MTAs as Debian installs them: then a login lets its host relay, a stranger is refused, and `doctor mta` says so; it also says what is broken.
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FindingVerdict } from '../../../src/doctor/finding.ts'
import type { ChrootProcess } from '../../support/chroot-process.ts'
import { startInRoot } from '../../support/chroot-process.ts'
import { type Lab, openLab } from '../../support/lab.ts'
import { labAvailability } from '../../support/lab-availability.ts'
import type { LabHost } from '../../support/netns.ts'
import { SERVER_ADDRESS } from '../../support/netns.ts'
import { MAIL_HOST, type OverlayRoot } from '../../support/overlay-root.ts'
import { qpopperLine, TestLog } from '../../support/popauthd.ts'
import { expectFinding, installPopauthd, type PopauthdInRoot } from '../../support/popauthd-in-root.ts'
import { waitForPort } from '../../support/port.ts'
import type { RootName } from '../../support/roots.ts'
import { askRelay } from '../../support/smtp-session.ts'
import { waitFor } from '../../support/wait-for.ts'

const unavailable = labAvailability()
const CLIENT = '198.51.100.7'
const STRANGER = '203.0.113.9'
const LOCAL = `alice@${MAIL_HOST}`

/** An MTA as its package leaves it, but for the names and addresses of the laboratory. */
interface Installed {
  readonly name: string
  /** As `setup` calls it. */
  readonly mta: string
  readonly root: RootName
  /** Options of `setup mta`. */
  readonly options: readonly string[]
  /** Shell commands that fit the package's configuration to the laboratory. */
  readonly prepare: string
  /** What the operator is told to run, besides restarting. */
  readonly afterwards: string
  readonly start: readonly string[]
  readonly refusal: number
  /** While popauthd is stopped. */
  readonly away: number
  /** What setup changed of the MTA's: the file whose backup is put back to undo the recipe. */
  readonly file: string
  /** The socket of popauthd; undefined where the MTA reads a file. */
  readonly socket?: string
  /** The file that popauthd keeps in place of a socket, and what keeps the MTA from reading it as it should. */
  readonly kept?: {
    readonly file: string
    /** Shell commands, and such that undo them. */
    readonly spoil: string
    readonly mend: string
    readonly verdict: FindingVerdict
    readonly told: RegExp
  }
  /** The user that asks is not root: rights count. */
  readonly asksAsUser: boolean
  /** Shell commands that make an open relay of it. */
  readonly open: string
  /** A line that it does not take. */
  readonly fault: string
}

const postfixPrepared = `postconf -e myhostname=${MAIL_HOST} maillog_file=/var/log/postfix.log smtpd_peername_lookup=no disable_dns_lookups=yes \\
  defer_transports=smtp alias_maps=lmdb:/etc/aliases alias_database=lmdb:/etc/aliases
newaliases`

const postfix: Installed = {
  name: 'Postfix, chroot',
  mta: 'postfix',
  root: 'postfix',
  options: ['--with-doctor'],
  prepare: postfixPrepared,
  afterwards: 'true',
  start: ['postfix', 'start-fg'],
  refusal: 454,
  away: 451,
  file: '/etc/postfix/main.cf',
  socket: '/var/spool/postfix/popauthd/map.sock',
  asksAsUser: true,
  open: 'postconf -e mynetworks=0.0.0.0/0',
  fault: 'inet_protocols = nonsense',
}

const KEPT_TABLE = '/var/lib/popauthd/postfix/authorized'
const KEPT_FILE = '/var/lib/popauthd/exim/hosts.cdb'

const exim: Installed = {
  name: 'Exim, one file',
  mta: 'exim',
  root: 'exim',
  options: [],
  prepare: `echo ${MAIL_HOST} >/etc/mailname
sed -i -e "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/" -e "s/^dc_local_interfaces=.*/dc_local_interfaces=''/" \\
  -e "s/^dc_other_hostnames=.*/dc_other_hostnames='${MAIL_HOST}'/" /etc/exim4/update-exim4.conf.conf`,
  afterwards: 'update-exim4.conf',
  start: ['exim4', '-bdf', '-q1h'],
  refusal: 550,
  away: 451,
  file: '/etc/exim4/exim4.conf.template',
  socket: '/run/popauthd/exim.sock',
  asksAsUser: true,
  open: `sed -i "s|^dc_relay_nets=.*|dc_relay_nets='0.0.0.0/0'|" /etc/exim4/update-exim4.conf.conf; update-exim4.conf`,
  fault: '  nonsense = yes',
}

const sendmail: Installed = {
  name: 'sendmail',
  mta: 'sendmail',
  root: 'sendmail',
  options: [],
  prepare: `printf 'passwd files\\nhosts files\\naliases files\\n' >/etc/mail/lab.switch
echo ${MAIL_HOST} >/etc/mail/local-host-names
sed -i -e "s|, Addr=127.0.0.1')|')|" -e "/^MAILER_DEFINITIONS/i define(\\\`confSERVICE_SWITCH_FILE', \\\`/etc/mail/lab.switch')dnl\\\\
define(\\\`confDOMAIN_NAME', \\\`${MAIL_HOST}')dnl\\\\
define(\\\`confTO_IDENT', \\\`0s')dnl\\\\
FEATURE(\\\`accept_unresolvable_domains')dnl\\\\
FEATURE(\\\`nocanonify')dnl" /etc/mail/sendmail.mc
newaliases`,
  afterwards: 'm4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf',
  start: ['sendmail-mta', '-bD', '-q1h'],
  refusal: 550,
  away: 550,
  file: '/etc/mail/sendmail.mc',
  socket: '/run/popauthd/sendmail.sock',
  asksAsUser: false,
  open: `sed -i "/^MAILER_DEFINITIONS/i FEATURE(\\\`promiscuous_relay')dnl" /etc/mail/sendmail.mc; m4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf`,
  fault: 'LOCAL_CONFIG\nnonsense',
}

const installed: readonly Installed[] = [
  postfix,
  {
    ...postfix,
    name: 'Postfix, policy service, no chroot',
    options: ['--with-doctor', '--by', 'policy'],
    prepare: `${postfixPrepared}\npostconf -M 'smtp/inet=smtp inet n - n - - smtpd'`,
    away: 450,
    socket: '/var/spool/postfix/popauthd/policy.sock',
  },
  {
    ...postfix,
    name: 'Postfix, table',
    options: ['--with-doctor', '--by', 'map'],
    away: 250,
    socket: undefined,
    kept: {
      file: `${KEPT_TABLE}.lmdb`,
      spoil: `cp -p /etc/postfix/main.cf /etc/postfix/main.cf.kept
sed -i 's|pipemap:{.*|lmdb:${KEPT_TABLE}|' /etc/postfix/main.cf`,
      mend: 'mv /etc/postfix/main.cf.kept /etc/postfix/main.cf',
      verdict: 'warning',
      told: /^table: reads lmdb:\S+ without a pattern in front/,
    },
  },
  exim,
  {
    ...exim,
    name: 'Exim, cdb',
    options: ['--by', 'map'],
    away: 250,
    socket: undefined,
    kept: {
      file: KEPT_FILE,
      spoil: `chmod 0600 ${KEPT_FILE}`,
      mend: `chmod 0644 ${KEPT_FILE}`,
      verdict: 'problem',
      told: /^file: Debian-exim may not read it/,
    },
  },
  {
    ...exim,
    name: 'Exim, split files',
    prepare: `${exim.prepare}\nsed -i "s/split_config='false'/split_config='true'/" /etc/exim4/update-exim4.conf.conf`,
    file: '/etc/exim4/conf.d/acl/30_exim4-config_check_rcpt',
  },
  sendmail,
]

describe.skipIf(unavailable).each(installed)(
  `setup mta, $name${unavailable ? ` (skipped: ${unavailable})` : ''}`,
  (given) => {
    let lab: Lab
    let root: OverlayRoot
    let popauthd: PopauthdInRoot
    let client: LabHost
    let stranger: LabHost
    let log: TestLog
    let server: ChrootProcess | undefined

    beforeAll(async () => {
      lab = await openLab()
      root = await lab.root(given.root, 'installed')
      client = await lab.addClient(CLIENT)
      stranger = await lab.addClient(STRANGER)
      log = new TestLog(`${lab.shared}/log/popper.log`)
      await log.write()
      await shell(given.prepare)
      await root.exec(['useradd', '--create-home', 'alice'])
      popauthd = await installPopauthd(
        lab,
        root,
        `# my logs\nsources:\n  - file: ${log.path}   # Qpopper\n    timezone: UTC\n`,
      )
    })
    afterAll(async () => {
      await lab?.[Symbol.asyncDispose]()
    })

    const shell = (script: string) => root.exec(['sh', '-ec', script])
    const setUp = (...more: string[]) => popauthd.cli('setup', 'mta', given.mta, ...given.options, ...more)
    const startMta = async () => {
      await server?.kill()
      server = startInRoot(root.path, lab.server, given.start)
      lab.adopt(server)
      await waitForPort(lab.server, SERVER_ADDRESS, 25, server)
    }

    it('prints the recipe and changes nothing, writes it after a yes, and has nothing to do then', async () => {
      const before = await readFile(root.path + given.file, 'utf8')
      const printed = await setUp()
      expect(printed, printed.stdout + printed.stderr).toMatchObject({ code: 0 })
      expect((await setUp('--write')).code).toBe(2)
      expect(await readFile(root.path + given.file, 'utf8')).toBe(before)
      const broken = await popauthd.doctor(given.mta)
      expect(broken.code).toBe(1)
      expectFinding(broken.findings, 'problem', /^recipe: .*no login lets anybody relay/)
      const written = await setUp('--write', '--yes')
      expect(written, written.stdout + written.stderr).toMatchObject({ code: 0 })
      expect(written.stdout).toContain(`+++ ${given.file}\n`)
      expect(await readFile(`${root.path}${given.file}.before-popauthd-1`, 'utf8')).toBe(before)
      const yaml = await readFile(`${root.path}/etc/popauthd/popauthd.yaml`, 'utf8')
      expect(yaml).toMatch(/^# my logs\nsources:\n {2}- file: .* {3}# Qpopper\n {4}timezone: UTC\n/)
      const again = await setUp('--write', '--yes')
      expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing is to be done') })
    })

    it('then a login lets its host relay, a stranger is refused, and doctor says that it is so', async () => {
      await shell(given.afterwards)
      await popauthd.start()
      const { kept } = given
      if (kept !== undefined)
        await waitFor('the file', async () => (await shell(`[ ! -f ${kept.file} ] || echo 1`)) !== '' || undefined)
      await startMta()
      expect((await askRelay(client)).code).toBe(given.refusal)
      await log.write(qpopperLine('alice', CLIENT))
      await waitFor('the login', async () => (await popauthd.cli('check', CLIENT)).code === 0 || undefined)
      if (kept !== undefined)
        await waitFor('the login in the file', async () => (await askRelay(client)).code === 250 || undefined)
      expect((await askRelay(client)).code).toBe(250)
      expect((await askRelay(stranger)).code).toBe(given.refusal)
      expect((await askRelay(stranger, {}, LOCAL)).code).toBe(250)
      const { code, findings } = await popauthd.doctor(given.mta)
      expect(findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([])
      expect(code).toBe(0)
      expectFinding(findings, 'ok', /has no login, and is refused/)
      expectFinding(findings, 'ok', /may relay, and is permitted/)
    })

    it('doctor tells that popauthd is away, and local mail goes on', async () => {
      await popauthd.stop()
      expect((await askRelay(client)).code).toBe(given.away)
      expect((await askRelay(stranger, {}, LOCAL)).code).toBe(250)
      const { code, findings } = await popauthd.doctor(given.mta)
      expect(code).toBe(given.kept === undefined ? 1 : 0)
      if (given.kept === undefined) expectFinding(findings, 'problem', /^socket: is not there/)
      expectFinding(findings, 'warning', /no daemon runs/)
      await popauthd.start()
    })

    it('doctor tells of rights that keep the MTA out, or of a file that is not read as it should be', async () => {
      const { kept } = given
      const socket = `${root.path}${given.socket}`
      if (kept !== undefined) {
        await shell(kept.spoil)
        expectFinding((await popauthd.doctor(given.mta)).findings, kept.verdict, kept.told)
        await shell(kept.mend)
      } else if (given.asksAsUser) {
        await chmod(socket, 0o600)
        const { findings } = await popauthd.doctor(given.mta)
        expectFinding(findings, 'problem', /^socket: .*may not open it \(mode 0600\)/)
        await chmod(socket, 0o660)
      } else {
        await chmod(`${root.path}/run/popauthd`, 0o777)
        const { findings } = await popauthd.doctor(given.mta)
        expectFinding(findings, 'problem', /^socket: .*world-writable/)
        await chmod(`${root.path}/run/popauthd`, 0o755)
      }
      expect((await popauthd.doctor(given.mta)).code).toBe(0)
    })

    it('doctor tells of an open relay', async () => {
      await copyFile(root.path + given.file, `${root.path}${given.file}.kept`)
      await shell(given.open)
      await startMta()
      expect((await askRelay(stranger)).code).toBe(250)
      const { code, findings } = await popauthd.doctor(given.mta)
      expectFinding(findings, 'problem', /has no login, and is permitted: OPEN RELAY/)
      expect(code).toBe(1)
      await copyFile(`${root.path}${given.file}.kept`, root.path + given.file)
    })

    it('a configuration that the MTA refuses as it is stays as it is', async () => {
      const path = root.path + given.file
      const recipe = await readFile(path, 'utf8')
      const broken = `${await readFile(`${path}.before-popauthd-1`, 'utf8')}\n${given.fault}\n`
      await writeFile(path, broken)
      const { code, stdout, stderr } = await setUp('--write', '--yes')
      expect(code).toBeGreaterThan(0)
      expect(stdout + stderr).toMatch(/refuses its configuration as it is|postconf -m failed/)
      expect(await readFile(path, 'utf8')).toBe(broken)
      await writeFile(path, recipe)
    })
  },
)

/** `doctor mta courier`: popauthd's file among those of makesmtpaccess, what they say of a client, and whether smtpaccess.dat is made of them (makedat). */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PublishError, reasonOf } from '../../errors.ts'
import { inPrivateDirectory } from '../../lib/private-directory.ts'
import { keyOfAddress, lookupsOf } from '../../publishers/courier/keys.ts'
import { isReadByCourier, NAME, OwnEntries, relays } from '../../publishers/courier/own-entries.ts'
import { ownDirectory } from '../../publishers/own-files.ts'
import { saidBy, type Tools } from '../../setup/tools.ts'
import { type Finding, findingsOf } from '../finding.ts'
import { judge, type MtaHost, type Subject } from './judge.ts'
import { noteFor } from './note-for.ts'

const SETUP = 'popauthd setup mta courier tells what belongs where'
const UNIT = 'popauthd-courier.path popauthd-courier.service'

/** All findings about Courier. */
export async function examineCourier(mta: MtaHost): Promise<Finding[]> {
  const map = mta.host.config.maps.find((one) => one.format === 'courier')
  const { ok, problem } = findingsOf('Courier', 'couriertcpd')
  if (map?.format !== 'courier') return [problem('popauthd keeps no file for it: no login lets anybody relay', SETUP)]
  const directory = map.rules
  return [
    ok(
      'cannot be asked what it would tell a foreign client: the files of makesmtpaccess are read, and smtpaccess.dat is compared with them. Not proven by that: which smtpaccess.dat the running couriertcpd has open; only relaying from another host shows it',
    ),
    await recipeFinding(directory, map.path, mta),
    ...(await noteFor(map.command, UNIT)),
    await inPrivateDirectory((made) => datFinding(directory, made, mta.tools)),
    ...(await entryFindings(directory, map.path, mta)),
  ]
}

/** A copy that root makes, or a link where popauthd is root. */
async function recipeFinding(directory: string, path: string, { host, tools }: MtaHost): Promise<Finding> {
  const { ok, warning, problem, unknown } = findingsOf('recipe', directory)
  try {
    const own = await realpath(path)
    for (const name of (await readdir(directory)).filter(isReadByCourier)) {
      const target = await realpath(join(directory, name)).catch(() => undefined)
      if (target !== own) continue
      return host.daemonUid === 0
        ? ok(`${name} is the file that popauthd keeps: ${path}`)
        : warning(
            `${name} is a link to ${path}: who takes the account of popauthd over can have makesmtpaccess read any file of root's, and everybody may read what it makes`,
            'take the link out, and write the unit anew that copies the file in its place (docs/courier.md)',
          )
    }
    const copy = await tools.read(join(directory, NAME))
    if (copy === undefined) return problem(`holds nothing of ${path}: no login lets anybody relay`, SETUP)
    return copy === (await tools.read(path))
      ? ok(`${NAME} is a copy of the file that popauthd keeps: ${path}`)
      : problem(`${NAME} is not what popauthd keeps in ${path}`, `systemctl status ${UNIT}`)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? problem(`cannot be told: ${reasonOf(error)}`, 'popauthd makes its file at its start; run this on the mail host')
      : unknown(`cannot be looked at: ${reasonOf(error)}`, 'run this as root')
  }
}

/** makedat makes the same bytes of the same files: where they are, smtpaccess.dat says what the files say. */
async function datFinding(directory: string, made: string, tools: Tools): Promise<Finding> {
  const path = `${directory}.dat`
  const { ok, problem, unknown } = findingsOf('smtpaccess.dat', path)
  try {
    const there = await readFile(path)
    const file = join(made, 'smtpaccess.dat')
    const told = await tools.run(['makedat', `-src=${directory}`, `-file=${file}`, `-tmp=${file}.tmp`, '-cidr'])
    if (told === undefined) return unknown('cannot be compared with the files: there is no makedat')
    if (told.code !== 0)
      return problem(`cannot be made of the files: ${saidBy(told)}`, 'mend that, then: makesmtpaccess')
    if (there.equals(await readFile(file))) return ok('says what the files say')
    return (await isOlder(path, directory))
      ? problem('is older than the files that it is made of', `systemctl status ${UNIT}`, 'makesmtpaccess')
      : unknown(
          'is not byte for byte what makedat makes of the files here: whether it says the same cannot be told',
          'makesmtpaccess',
        )
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? problem(
          'is not there: esmtpd that starts without it never looks for one',
          'makesmtpaccess, then restart esmtpd',
        )
      : unknown(`cannot be looked at: ${reasonOf(error)}`, 'run this as root')
  }
}

async function isOlder(path: string, directory: string): Promise<boolean> {
  const { mtimeMs } = await stat(path)
  const names = (await readdir(directory)).filter(isReadByCourier)
  const files = await Promise.all(names.map((name) => stat(join(directory, name)).catch(() => undefined)))
  return files.some((file) => file !== undefined && file.mtimeMs > mtimeMs)
}

const MENDS = {
  open: 'look at your own files there: a line of them sets RELAYCLIENT for this address',
  refused: 'popauthd status tells of maps that are in trouble; ask once more, for it may have changed meanwhile',
  deferred: '',
}

async function entryFindings(directory: string, path: string, mta: MtaHost): Promise<Finding[]> {
  try {
    // No file is left out: popauthd's counts, too.
    const files = await ownDirectory(directory, isReadByCourier, `${path}/`).read()
    const { byKey } = await OwnEntries.parse(files)
    return mta.subjects.map((subject) => entryFinding(subject, byKey, mta))
  } catch (error) {
    if (!(error instanceof PublishError)) throw error
    return [findingsOf('smtpaccess', directory).unknown(`what it says cannot be told: ${error.message}`)]
  }
}

/** The most specific line counts (couriertcpd(8)); one that denies beats a login. */
function entryFinding(subject: Subject, byKey: ReadonlyMap<string, string>, { host }: MtaHost): Finding {
  const key = [...lookupsOf(keyOfAddress(subject.address))].find((one) => byKey.has(one))
  const value = key === undefined ? '' : (byKey.get(key) as string)
  const denied = value.startsWith('deny')
  const verdict = relays(value) ? 'permitted' : denied && subject.authorized ? 'other' : 'refused'
  return judge('smtpaccess', subject, verdict, key === undefined ? '' : `${key} ${value}`, MENDS, host)
}

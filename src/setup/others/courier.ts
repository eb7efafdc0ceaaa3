/** `setup mta courier`: the recipe of docs/courier.md: a file among those of makesmtpaccess, and the units that run it. */
import { daemonTrouble, entryStep, restartLines } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { FileStep, Mta, Plan, SetupContext, Step } from '../plan.ts'
import { courierEntry, linkMap, pathUnit, serviceUnit } from '../recipes/others.ts'

/** Where makesmtpaccess looks unless the map says otherwise (`rules`). */
const DIRECTORY = '/etc/courier/smtpaccess'
const UNITS = '/etc/systemd/system'

/** Courier, as `setup` knows it. */
export const courier: Mta = { name: 'courier', title: 'Courier', ways: ['map'], page: 'docs/courier.md', plan }

async function plan(context: SetupContext): Promise<Plan> {
  const { tools, loaded } = context
  const { maps, stateDirectory } = loaded.config
  const places = { state: stateDirectory }
  const map = maps.find((one) => one.format === 'courier')
  const directory = map?.format === 'courier' ? map.rules : DIRECTORY
  const path = map?.format === 'courier' ? map.path : `${stateDirectory}/courier/smtpaccess`
  const isThere = (await tools.stat(directory)) !== undefined
  const hasUnits = (await tools.stat(UNITS)) !== undefined
  const steps: Step[] = [
    await entryStep(context, 'maps', courierEntry(places), map !== undefined),
    {
      kind: 'command',
      command: linkMap(path, directory),
      reason: 'makesmtpaccess reads all files there; popauthd does not write into that directory itself',
      done: await tools.isThere(`${directory}/popauthd`),
    },
    ...(hasUnits
      ? [
          await unit(context, 'popauthd-courier.path', pathUnit(places)),
          await unit(context, 'popauthd-courier.service', serviceUnit(places)),
        ]
      : []),
  ]
  return {
    mta: 'courier',
    by: 'map',
    seen: isThere ? [`Courier, with its files in ${directory}`] : [],
    troubles: [
      ...(isThere
        ? []
        : [
            {
              text: `Courier is not installed here: there is no ${directory}`,
              mends: ['run this on the mail host, as root'],
            },
          ]),
      ...daemonTrouble(context),
      ...(hasUnits ? pathTroubles(stateDirectory, 'a unit of systemd') : []),
    ],
    notes: [
      'a session sees a login, and its end, only when it connects anew',
      ...(hasUnits ? [] : ['without systemd run makesmtpaccess yourself when the file changes (docs/courier.md)']),
    ],
    steps,
    validations: [],
    afterwards: [
      ...(hasUnits ? ['systemctl daemon-reload'] : []),
      ...(await restartLines(context, [])),
      ...(hasUnits ? ['systemctl enable --now popauthd-courier.path'] : []),
      'makesmtpaccess',
    ],
    checks: ['popauthd check 192.0.2.7', `grep 192.0.2.7 ${directory}/popauthd`, 'popauthd doctor mta courier'],
  }
}

async function unit({ tools }: SetupContext, name: string, lines: string): Promise<FileStep> {
  const path = `${UNITS}/${name}`
  const reason = 'only root may run makesmtpaccess: systemd does, when popauthd leaves a note that its file has changed'
  const before = await tools.read(path)
  return { kind: 'file', path, reason, lines, before, after: before ?? lines }
}

/** `setup mta courier`: the recipe of docs/courier.md: a file of popauthd's, and the units that put it among those of makesmtpaccess and run that. */
import { daemonTrouble, entryStep, restartLines } from '../common.ts'
import { pathTroubles } from '../plain-path.ts'
import type { FileStep, Mta, Plan, SetupContext, Step } from '../plan.ts'
import { type CourierPlaces, courierDefaults, courierEntry, pathUnit, serviceUnit } from '../recipes/others.ts'

const UNITS = '/etc/systemd/system'

/** Courier, as `setup` knows it. */
export const courier: Mta = { name: 'courier', title: 'Courier', ways: ['map'], page: 'docs/courier.md', plan }

async function plan(context: SetupContext): Promise<Plan> {
  const { tools } = context
  const map = mapThere(context)
  const places = placesFor(context)
  const { state, path, directory } = places
  const isThere = (await tools.stat(directory)) !== undefined
  const hasUnits = (await tools.stat(UNITS)) !== undefined
  const steps: Step[] = [
    await entryStep(context, 'maps', courierEntry(places), map !== undefined),
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
      ...(hasUnits
        ? [...new Set([state, path, directory])].flatMap((one) => pathTroubles(one, 'a unit of systemd'))
        : []),
    ],
    notes: [
      'a session sees a login, and its end, only when it connects anew',
      ...(hasUnits
        ? []
        : ['without systemd have root do what the service unit of docs/courier.md does when the file changes']),
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

function mapThere({ loaded }: SetupContext) {
  return loaded.config.maps.find((map) => map.format === 'courier')
}

function placesFor(context: SetupContext): CourierPlaces {
  const { loaded, accounts, daemonUser: user = courierDefaults.user } = context
  const { stateDirectory: state } = loaded.config
  const { path = `${state}/courier/smtpaccess`, rules: directory = courierDefaults.directory } = mapThere(context) ?? {}
  const [gid] = accounts.groupsOf(user)
  return { state, path, directory, user, group: gid === undefined ? user : accounts.groupName(gid) }
}

async function unit({ tools }: SetupContext, name: string, lines: string): Promise<FileStep> {
  const path = `${UNITS}/${name}`
  const reason =
    'only root may run makesmtpaccess: systemd does, when popauthd leaves a note that its file has changed, and reads that file as popauthd'
  const before = await tools.read(path)
  return { kind: 'file', path, reason, lines, before, after: before ?? lines }
}

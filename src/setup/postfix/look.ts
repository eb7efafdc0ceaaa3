/** What Postfix is installed here: asked of postconf(1). */
import type { Accounts } from '../../doctor/accounts.ts'
import { saidBy, type Tools } from '../tools.ts'

/** A service of master.cf (master(5)). */
interface PostfixService {
  /** `smtp`, `127.0.0.1:25`, `submission`. */
  readonly name: string
  /** `inet`, `unix`, `pass`. */
  readonly type: string
  readonly chroot: boolean
  /** `smtpd`. */
  readonly command: string
}

/** A parameter that a service has for itself (`-o`). */
interface PostfixOverride {
  /** `submission/inet`. */
  readonly service: string
  readonly parameter: string
  readonly value: string
}

/** The installed Postfix. */
export interface PostfixFound {
  readonly version: string
  readonly configDirectory: string
  readonly queueDirectory: string
  /** User and group of smtpd. */
  readonly user: string
  readonly group: string
  readonly mapTypes: readonly string[]
  readonly services: readonly PostfixService[]
  /** What services have for themselves of the restrictions that the recipe is about. */
  readonly overrides: readonly PostfixOverride[]
  /** Parameters in force, other parameters in them expanded. */
  readonly parameters: Readonly<Record<string, string>>
}

/** The list that the recipe changes. */
export const RELAY = 'smtpd_relay_restrictions'
/** The list that is gone through as well. */
export const RECIPIENTS = 'smtpd_recipient_restrictions'
/** The parameters that decide who may relay. */
export const RELAY_PARAMETERS = [RELAY, RECIPIENTS] as const

const PARAMETERS = [
  'mail_version',
  'config_directory',
  'queue_directory',
  'mail_owner',
  'mynetworks',
  'smtpd_authorized_xclient_hosts',
  'default_database_type',
  ...RELAY_PARAMETERS,
]

/** Looks at Postfix; undefined where there is none, or why it cannot be asked. */
export async function lookAtPostfix(tools: Tools, accounts: Accounts): Promise<PostfixFound | string | undefined> {
  const asked = await tools.run(['postconf', '-x', ...PARAMETERS])
  if (asked === undefined) return undefined
  if (asked.code !== 0) return `postconf failed: ${saidBy(asked)}`
  const parameters = rowsOf(asked.stdout)
  const [types, services, overrides] = await Promise.all(
    [['-m'], ['-M'], ['-P']].map((option) => tools.run(['postconf', ...option])),
  )
  if (types === undefined || types.code !== 0)
    return `postconf -m failed${types === undefined ? '' : `: ${saidBy(types)}`}`
  const text = (result: typeof types | undefined) => (result?.code === 0 ? result.stdout : '')
  const user = parameters.mail_owner || 'postfix'
  const version = parameters.mail_version ?? ''
  return {
    version,
    configDirectory: parameters.config_directory || '/etc/postfix',
    queueDirectory: parameters.queue_directory || '/var/spool/postfix',
    user,
    group: groupOf(user, accounts),
    mapTypes: text(types).split('\n').filter(Boolean),
    services: servicesIn(text(services), version),
    overrides: overridesIn(text(overrides)),
    parameters,
  }
}

/** Of a process of the user: smtpd has no other groups. */
function groupOf(user: string, accounts: Accounts): string {
  const [gid] = accounts.groupsOf(user)
  return gid === undefined ? user : accounts.groupName(gid)
}

function rowsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value = ''] = /^([a-z0-9_]+) =(?: (.*))?$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value]]
    }),
  )
}

/** The services, as `postconf -M` prints them. `-` in the column of the chroot is `n` since Postfix 3.0. */
function servicesIn(text: string, version: string): PostfixService[] {
  const unsaid = Number.parseInt(version, 10) < 3
  return text.split('\n').flatMap((line) => {
    const [name, type, , , chroot, , , command] = line.trim().split(/\s+/)
    if (name === undefined || type === undefined || command === undefined) return []
    return [{ name, type, command, chroot: chroot === 'y' || (chroot === '-' && unsaid) }]
  })
}

/** `submission/inet/smtpd_relay_restrictions = ...`, as `postconf -P` prints it. */
function overridesIn(text: string): PostfixOverride[] {
  return text.split('\n').flatMap((line) => {
    const [, service, parameter, value = ''] = /^(\S+\/[a-z-]+)\/(\S+) =(?: (.*))?$/.exec(line) ?? []
    if (service === undefined || parameter === undefined) return []
    return (RELAY_PARAMETERS as readonly string[]).includes(parameter) ? [{ service, parameter, value }] : []
  })
}

/** The service at which strangers arrive: smtpd on port 25, or behind postscreen. */
export function mainService({ services }: PostfixFound): PostfixService | undefined {
  const smtpd = services.filter(({ command }) => command === 'smtpd')
  const isMain = ({ type, name }: PostfixService) =>
    type === 'pass' || (type === 'inet' && /^(.*:)?(smtp|25)$/.test(name))
  return smtpd.find(isMain) ?? smtpd.find(({ type }) => type === 'inet')
}

/** Whether this Postfix came before that version. */
export function isOlderThan(version: string, [major, minor]: readonly [number, number]): boolean {
  const [has = 0, hasMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return has < major || (has === major && hasMinor < minor)
}

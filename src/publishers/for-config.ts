/** From the configuration to the publishers that keep its maps in step. */
import type { Config, FileMapConfig, MapConfig } from '../config/config.ts'
import { groupId } from '../config/groups.ts'
import type { ClientAddress } from '../core/client-address.ts'
import type { StaticEntries } from '../core/static-entries.ts'
import type { Clock } from '../lib/clock.ts'
import { otherOwnerOf } from '../lib/directory-owner.ts'
import { CommandPublisher } from './command/command-publisher.ts'
import { courierFormat } from './courier/format.ts'
import { isOperators } from './courier/own-entries.ts'
import { eximCdbFormat } from './exim-cdb/format.ts'
import { eximIplsearchFormat } from './exim-iplsearch/format.ts'
import { eximListFormat } from './exim-list/format.ts'
import { type FileFormat, FilePublisher, type FilePublisherOptions } from './file-publisher.ts'
import { NftablesPublisher } from './nftables/nftables-publisher.ts'
import { opensmtpdListFormat } from './opensmtpd-list/format.ts'
import { type OwnFiles, ownDirectory, ownFile } from './own-files.ts'
import { PostfixMapPublisher } from './postfix-map/postfix-map-publisher.ts'
import type { Publisher } from './publisher.ts'
import { memoryBeside } from './reading-memory.ts'
import type { FileRights } from './replace-file.ts'
import { runTool } from './run-tool.ts'
import { SendmailAccessPublisher } from './sendmail-access/sendmail-access-publisher.ts'
import { tcprulesFormat } from './tcprules/format.ts'

/** What publishers need besides the configuration. */
export interface PublisherParts {
  readonly clock: Clock
  /** True for addresses of which the table has a record, expired or not. */
  readonly isKnown: (address: ClientAddress) => boolean
  /** Tells the operator what a publisher met and coped with. */
  readonly notice: (message: string, fields: Record<string, unknown>) => void
  /** Called whenever access.static has new content: admission must judge by it. */
  readonly onStatic?: (entries: StaticEntries) => void
  /** True for a set of the firewall (family, table, name) that closing must leave alone: another map fills it. */
  readonly spares?: (set: string) => boolean
}

/** The publishers of a configuration. */
export interface Publishers {
  readonly all: readonly { readonly publisher: Publisher; readonly gatherMilliseconds: number }[]
  /** The one among them whose static entries admission heeds; undefined where it is switched off. */
  readonly sendmail: SendmailAccessPublisher | undefined
}

/** Makes them; nothing is written yet. @throws {UsageError} where a map cannot say what the configuration opens */
export function publishersFor(config: Config, parts: PublisherParts): Publishers {
  const sendmail = sendmailPublisher(config, parts)
  const { gatherMilliseconds } = config.sendmailAccess
  const first = sendmail === undefined ? [] : [{ publisher: sendmail, gatherMilliseconds }]
  const rest = config.maps.map((map) => ({
    publisher: publisherOf(map, config, parts),
    gatherMilliseconds: map.gatherMilliseconds,
  }))
  for (const { publisher } of rest) publisher.setAlways(config.admission.always)
  return { all: [...first, ...rest], sendmail }
}

function sendmailPublisher(config: Config, parts: PublisherParts): SendmailAccessPublisher | undefined {
  const { sendmailAccess, admission, stateDirectory } = config
  if (!sendmailAccess.enabled) return undefined
  const { always, ipv6Prefix } = admission
  return new SendmailAccessPublisher({ config: sendmailAccess, always, ipv6Prefix, stateDirectory, ...parts })
}

function publisherOf(map: MapConfig, config: Config, parts: PublisherParts): Publisher {
  const { ipv6Prefix } = config.admission
  switch (map.format) {
    case 'exim_list':
      return filePublisher(map, eximListFormat(ipv6Prefix), config, parts)
    case 'exim_iplsearch':
      return filePublisher(map, eximIplsearchFormat(ipv6Prefix), config, parts)
    case 'exim_cdb':
      return filePublisher(map, eximCdbFormat(ipv6Prefix), config, parts)
    case 'command':
      return commandPublisher(map.command, config, parts)
    case 'opensmtpd':
      return filePublisher(map, opensmtpdListFormat(ipv6Prefix), config, parts)
    case 'tcprules':
      return tcprules(map, config, parts)
    case 'courier':
      return courier(map, config, parts)
    case 'nftables':
      return nftablesPublisher(map, parts)
    case 'postfix':
      return postfixPublisher(map, config, parts)
  }
}

function commandPublisher(command: readonly string[], config: Config, { clock }: PublisherParts): CommandPublisher {
  const { stateDirectory, admission } = config
  return new CommandPublisher({ command, ipv6Prefix: admission.ipv6Prefix, stateDirectory, clock })
}

function tcprules(map: MapOf<'tcprules'>, config: Config, parts: PublisherParts): Publisher {
  const rules = map.rules === undefined ? undefined : ownFile(map.rules)
  const { ipv6Prefix } = config.admission
  const format = tcprulesFormat({ rules, memory: memoryBeside(map.path), ipv6Prefix, notice: parts.notice })
  return filePublisher(map, format, config, parts, rules)
}

function courier(map: MapOf<'courier'>, config: Config, parts: PublisherParts): Publisher {
  const own = ownDirectory(map.rules, isOperators, map.path)
  const { ipv6Prefix } = config.admission
  const format = courierFormat({ own, memory: memoryBeside(map.path), ipv6Prefix, notice: parts.notice })
  return filePublisher(map, format, config, parts, own)
}

type MapOf<Format extends MapConfig['format']> = Extract<MapConfig, { readonly format: Format }>

function nftablesPublisher(map: MapOf<'nftables'>, { clock, spares }: PublisherParts): Publisher {
  const { table, command, setIpv4, setIpv6, setAlwaysIpv4, setAlwaysIpv6 } = map
  const named = (set: string) => `${table} ${set}`
  const sets = {
    ipv4: named(setIpv4),
    ipv6: named(setIpv6),
    alwaysIpv4: named(setAlwaysIpv4),
    alwaysIpv6: named(setAlwaysIpv6),
  }
  return new NftablesPublisher({ name: `nftables ${table}`, sets, command, clock, spares })
}

function postfixPublisher(
  map: MapOf<'postfix'>,
  { admission, stateDirectory }: Config,
  { clock }: PublisherParts,
): PostfixMapPublisher {
  const { path, mapType, command } = map
  const { ipv6Prefix } = admission
  return new PostfixMapPublisher({ path, mapType, command, rights: rightsOf(map), ipv6Prefix, stateDirectory, clock })
}

/** A map that is one file, replaced as a whole; `inputs` are what it is made of besides the table. */
function filePublisher(
  map: FileMapConfig & { readonly format: string },
  format: FileFormat,
  { stateDirectory }: Config,
  { clock }: PublisherParts,
  inputs?: OwnFiles,
): FilePublisher {
  const { path } = map
  return new FilePublisher({
    name: `${map.format} ${path}`,
    path,
    rights: rightsOf(map),
    format,
    stateDirectory,
    clock,
    ...afterwards(map, stateDirectory),
    ...(inputs === undefined ? {} : { inputs }),
  })
}

/** What the operator lets run when the file has changed: it makes the MTA read it. Root runs it as the daemon would, so that neither leaves files to the other. */
function afterwards({ command }: FileMapConfig, stateDirectory: string): Pick<FilePublisherOptions, 'afterwards'> {
  if (command.length === 0) return {}
  const when = {
    whenMissing: 'correct `command` of the map: until it runs the MTA does not read the new file',
    whenFailed: 'the file is in step, but the MTA may not have read it; run the command by hand to see more',
  }
  return { afterwards: (signal) => runTool(command, '', signal, { ...when, as: otherOwnerOf(stateDirectory) }) }
}

function rightsOf({ mode, group }: FileMapConfig): FileRights {
  const gid = group === undefined ? undefined : groupId(group)
  return gid === undefined ? { mode } : { mode, gid }
}

// nft for tests: Debian's, from its cached root, working in a network namespace, whose ruleset is nobody else's.
import { newLabName, removeNamespace, removeStaleLabs } from './lab-names.ts'
import { ensureRoot } from './roots.ts'
import { mustRun } from './run.ts'

/** nft in one network namespace. */
export interface Nft {
  /** Program and arguments, for the option `command` of a map. */
  readonly command: readonly string[]
  /** Runs a script of nft's. @throws {Error} with its words when it fails */
  load(script: string): Promise<void>
  /** The elements of a set as nft lists them, without timeouts, sorted. `set` is family, table and name. */
  elements(set: string): Promise<string[]>
  /** The same with seconds left; undefined: no end. */
  secondsLeft(set: string): Promise<Record<string, number | undefined>>
}

type Listed = string | { elem: { val: Value; expires?: number } } | { prefix: { addr: string; len: number } }
type Value = string | { prefix: { addr: string; len: number } }

/** nft in a namespace that exists. The root needs no writing, so the cached one serves. */
export async function nftIn(namespace: string): Promise<Nft> {
  const command = ['ip', 'netns', 'exec', namespace, 'chroot', await ensureRoot('nftables'), 'nft']
  const nft = (args: readonly string[], input?: string) =>
    mustRun('ip', [...command.slice(1), ...args], input === undefined ? {} : { input })
  const list = async (set: string): Promise<[string, number | undefined][]> => {
    const { nftables } = JSON.parse(await nft(['-j', 'list', 'set', ...set.split(' ')])) as {
      nftables: { set?: { elem?: Listed[] } }[]
    }
    const listed = nftables.flatMap((part) => part.set?.elem ?? [])
    return listed.map((element) => {
      if (typeof element !== 'string' && 'elem' in element) return [textOf(element.elem.val), element.elem.expires]
      return [textOf(element), undefined]
    })
  }
  return {
    command,
    load: async (script) => void (await nft(['-f', '-'], script)),
    elements: async (set) => (await list(set)).map(([address]) => address).sort(),
    secondsLeft: async (set) => Object.fromEntries(await list(set)),
  }
}

function textOf(value: Value): string {
  return typeof value === 'string' ? value : `${value.prefix.addr}/${value.prefix.len}`
}

/** nft in a namespace of its own, which goes when it is disposed. */
export async function openNft(): Promise<Nft & AsyncDisposable> {
  await removeStaleLabs()
  const namespace = `${newLabName()}-nft`
  await mustRun('ip', ['netns', 'add', namespace])
  return { ...(await nftIn(namespace)), [Symbol.asyncDispose]: () => removeNamespace(namespace) }
}

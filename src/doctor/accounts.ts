/** The users and groups of this host, from passwd(5) and group(5). Those of a directory service are not known. */
import { readFileSync } from 'node:fs'

/** People's accounts begin here (login.defs(5), UID_MIN). */
const FIRST_PERSON = 1000
/** `nobody`, and `nogroup`. */
const NOBODY = 65_534
const NO_SHELL = /\/(?:nologin|false|sync|halt|shutdown)$/

interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly shell: string
}

interface Group {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/** Names of users and groups. */
export class Accounts {
  readonly #users: readonly User[]
  readonly #groups: readonly Group[]

  /** Reads both texts; lines that are none are left out. */
  constructor(passwd: string, group: string) {
    this.#users = rowsOf(passwd, 7).map(([name = '', , uid, gid, , , shell = '']) => {
      return { name, uid: Number(uid), gid: Number(gid), shell }
    })
    this.#groups = rowsOf(group, 4).map(([name = '', , gid, members = '']) => {
      return { name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }
    })
  }

  /** Those of this host. A file that cannot be read holds none. */
  static ofHost(passwdFile = '/etc/passwd', groupFile = '/etc/group'): Accounts {
    return new Accounts(textOf(passwdFile), textOf(groupFile))
  }

  nameOf(uid: number): string | undefined {
    return this.#users.find((user) => user.uid === uid)?.name
  }

  userName(uid: number): string {
    return this.nameOf(uid) ?? `user ${uid}`
  }

  groupName(gid: number): string {
    return this.#groups.find((group) => group.gid === gid)?.name ?? `group ${gid}`
  }

  uidOf(name: string): number | undefined {
    return this.#users.find((user) => user.name === name)?.uid
  }

  gidOf(name: string): number | undefined {
    return this.#groups.find((group) => group.name === name)?.gid
  }

  /** Ids of the groups that a user is in: the first group first. Empty for an unknown user. */
  groupsOf(name: string): number[] {
    const user = this.#users.find((known) => known.name === name)
    if (user === undefined) return []
    const listed = this.#groups.filter(({ members }) => members.includes(name)).map(({ gid }) => gid)
    return [...new Set([user.gid, ...listed])]
  }

  /** Names of the users in a group, as their first group or as members, each once. */
  members(gid: number): string[] {
    const first = this.#users.filter((user) => user.gid === gid).map(({ name }) => name)
    const listed = this.#groups.filter((group) => group.gid === gid).flatMap(({ members }) => members)
    return [...new Set([...first, ...listed])]
  }

  /** Names of the accounts, root aside, whose owner may log in: they have a shell. */
  get people(): string[] {
    return this.#users.filter(({ uid, shell }) => uid !== 0 && !NO_SHELL.test(shell)).map(({ name }) => name)
  }

  /** True for an account of a person, not of a service. */
  isPerson(uid: number): boolean {
    return uid >= FIRST_PERSON && uid !== NOBODY
  }
}

function rowsOf(text: string, least: number): string[][] {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.split(':'))
    .filter((row) => row.length >= least && /^\d{1,10}$/.test(row[2] ?? ''))
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

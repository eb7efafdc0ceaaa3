/** The tcpservers that run on this host (tcpserver(1)), by the arguments that they were started with. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** A running tcpserver. */
export interface Tcpserver {
  readonly pid: number
  /** `-x`. */
  readonly rules: string | undefined
  /** `-u` and `-g`: who opens the rules. */
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** As it was given: a number or a name. */
  readonly port: string
}

/** Options that have a value. */
const VALUED = new Set([...'xtuglbBciI'])
const SMTP_PORTS = ['25', 'smtp', '465', 'smtps', 'submissions', '587', 'submission']

/** Those that serve SMTP, as far as this user may see; none where there is no procfs. Containers and chroots have files of their own, and do not count. */
export async function smtpServers(proc: string): Promise<Tcpserver[]> {
  const pids = (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name))
  const servers = await Promise.all(
    pids.map(async (pid) =>
      tcpserverOf(Number(pid), await readFile(join(proc, pid, 'cmdline'), 'utf8').catch(() => '')),
    ),
  )
  const smtp = servers.filter((server) => server !== undefined).filter(({ port }) => SMTP_PORTS.includes(port))
  const here = await Promise.all(smtp.map(({ pid }) => hasOurRoot(join(proc, String(pid)))))
  return smtp.filter((_, i) => here[i])
}

async function hasOurRoot(directory: string): Promise<boolean> {
  const [own, its] = await Promise.all(['/', join(directory, 'root')].map((path) => stat(path).catch(() => undefined)))
  return own !== undefined && its !== undefined && own.dev === its.dev && own.ino === its.ino
}

/** Undefined for the arguments of another program. */
export function tcpserverOf(pid: number, cmdline: string): Tcpserver | undefined {
  const [program = '', ...args] = cmdline.split('\0')
  if (basename(program) !== 'tcpserver') return undefined
  const values = new Map<string, string>()
  while (/^-./.test(args[0] ?? '')) {
    const option = args.shift() as string
    if (option === '--') break
    const at = [...option].findIndex((letter, i) => i > 0 && VALUED.has(letter))
    if (at > 0) values.set(option[at] as string, option.slice(at + 1) || (args.shift() ?? ''))
  }
  const number = (name: string) => (/^\d+$/.test(values.get(name) ?? '') ? Number(values.get(name)) : undefined)
  return { pid, rules: values.get('x'), uid: number('u'), gid: number('g'), port: args[1] ?? '' }
}

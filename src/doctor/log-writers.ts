/** Whether a syslog daemon writes a log file, so that whoever may log on this host can write a login into it: three kinds of evidence. */
import { constants, type Stats } from 'node:fs'
import { open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readLine } from '../parsers/envelope.ts'
import type { HostPlaces } from './finding.ts'

const SYSLOG_DAEMONS = ['rsyslogd', 'syslog-ng', 'syslogd', 'metalog', 'socklog', 'busybox']
/** Where syslog daemons write mail lines by default. */
const USUAL_TARGETS = /^\/var\/log\/(?:mail\.(?:log|info)|maillog|messages|syslog)$/
const TAIL_BYTES = 16 * 1024
const LONGEST_CONFIG = 1 << 20

/** What a log file tells of who writes it. */
export interface LogEvidence {
  /** Programs of the lines at its end, in syslog envelopes. */
  readonly syslogPrograms: readonly string[]
  readonly syslogLines: number
  /** Lines at its end in the form of a server's own log. */
  readonly ownLines: number
}

/** A process that has a file open for writing. */
export interface WritingProcess {
  readonly pid: number
  readonly program: string
}

/** True for the name of a program that passes on what any local user logs. */
export function isSyslogDaemon(program: string): boolean {
  return SYSLOG_DAEMONS.includes(program)
}

/** True for a path that syslog daemons write mail lines to by default. */
export function isUsualTarget(path: string): boolean {
  return USUAL_TARGETS.test(path)
}

/** Reads the end of a log. @throws the system's error */
export async function logEvidence(path: string): Promise<LogEvidence> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const stats = await file.stat()
  if (!stats.isFile()) return evidenceOf([])
  const { size } = stats
  const start = Math.max(0, size - TAIL_BYTES)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start)
  const lines = buffer
    .toString('latin1', 0, bytesRead)
    .split('\n')
    .slice(start > 0 ? 1 : 0)
  return evidenceOf(lines)
}

/** What these lines tell. Text that is no line in a known form tells nothing. */
export function evidenceOf(lines: readonly string[]): LogEvidence {
  const programs = new Set<string>()
  let [syslogLines, ownLines] = [0, 0]
  for (const text of lines) {
    const line = readLine(text.replace(/\r$/, ''))
    if ('unreadable' in line) continue
    if (line.envelope === 'own-file') ownLines++
    else {
      syslogLines++
      programs.add(line.program)
    }
  }
  return { syslogPrograms: [...programs], syslogLines, ownLines }
}

/** The first configuration file of a syslog daemon that names `path` as a target, outside comments; undefined where none does. */
export async function namingConfig(path: string, configs: HostPlaces['syslogConfigs']): Promise<string | undefined> {
  for (const place of configs) {
    for (const file of await filesIn(place)) {
      const text = await readFile(file, 'latin1').catch(() => '')
      if (namesPath(text.slice(0, LONGEST_CONFIG), path)) return file
    }
  }
  return undefined
}

/** True where a line that is no comment holds the whole path. */
export function namesPath(config: string, path: string): boolean {
  return config.split('\n').some((line) => {
    const text = line.replace(/^\s*#.*$/, '')
    for (let at = text.indexOf(path); at >= 0; at = text.indexOf(path, at + 1)) {
      const [before = ' ', after = ' '] = [text[at - 1], text[at + path.length]]
      if (!/[\w./]/.test(before) && !/[\w./-]/.test(after)) return true
    }
    return false
  })
}

async function filesIn(place: string): Promise<string[]> {
  const names = await readdir(place).catch(() => undefined)
  return names === undefined ? [place] : names.filter((name) => name.endsWith('.conf')).map((name) => join(place, name))
}

/** The processes that have `path` open for writing, as far as this user may see; `all` tells whether every process could be looked at. */
export async function writingProcesses(
  path: string,
  proc: string,
): Promise<{ readonly found: readonly WritingProcess[]; readonly all: boolean }> {
  const own = await stat(path)
  const found: WritingProcess[] = []
  let all = true
  for (const pid of (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(join(proc, pid, 'fd')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') all = false
      return []
    })
    for (const fd of descriptors) {
      if (!(await leadsTo(join(proc, pid, 'fd', fd), own)) || !(await isWriting(proc, pid, fd))) continue
      found.push({ pid: Number(pid), program: await programOf(proc, pid) })
      break
    }
  }
  return { found, all }
}

/** By device and inode: a process in a root or a container of its own has another path for the file. */
async function leadsTo(descriptor: string, { dev, ino }: Stats): Promise<boolean> {
  if (!(await readlink(descriptor).catch(() => '')).startsWith('/')) return false
  const found = await stat(descriptor).catch(() => undefined)
  return found?.dev === dev && found.ino === ino
}

/** `flags:  0102001` of fdinfo: the last two bits are the access mode, octal. */
async function isWriting(proc: string, pid: string, fd: string): Promise<boolean> {
  const text = await readFile(join(proc, pid, 'fdinfo', fd), 'latin1').catch(() => '')
  const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1]
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) !== constants.O_RDONLY
}

async function programOf(proc: string, pid: string): Promise<string> {
  const exe = await readlink(join(proc, pid, 'exe')).catch(() => undefined)
  if (exe !== undefined) return basename(exe.replace(/ \(deleted\)$/, ''))
  return (await readFile(join(proc, pid, 'comm'), 'utf8').catch(() => '')).trim() || `PID ${pid}`
}

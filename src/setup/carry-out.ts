/** Carries out the steps of a plan: commands, then files, each with a copy of what it was; what the MTA refuses is put back. */
import { constants, copyFile, link, mkdir, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PopauthdError, reasonOf } from '../errors.ts'
import { shellPath } from '../lib/escape.ts'
import { realTarget, replaceFile } from '../publishers/replace-file.ts'
import { type CommandStep, type FileStep, isDone, type Plan, type Validation } from './plan.ts'
import { encodingOf, saidBy, type Tools } from './tools.ts'

/** A file that was changed, or made. */
export interface WrittenFile {
  readonly path: string
  /** The file as it was; undefined: it is new. */
  readonly backup: string | undefined
}

/** Rights of a file that is made: these hold no secrets, and are read by others than root. */
const MODE = 0o644
const MOST_BACKUPS = 1000

/**
 * Carries out what is not done yet. Where a program fails no file is touched; where popauthd (`checkConfig`, which throws) or the MTA refuses
 * what was written, every file is put back. Restarts nothing. The plan must be without troubles.
 * @throws {PopauthdError}
 */
export async function carryOut(
  plan: Plan,
  tools: Tools,
  checkConfig: () => Promise<void>,
): Promise<readonly WrittenFile[]> {
  const todo = plan.steps.filter((step) => !isDone(step))
  const files = todo.filter((step): step is FileStep => step.kind === 'file' && step.after !== undefined)
  for (const step of files) await refuseChanged(step, tools)
  if (files.length > 0) await refuseBroken(plan.validations, tools)
  for (const step of todo) if (step.kind === 'command') await runStep(step, tools)
  const written: WrittenFile[] = []
  try {
    for (const step of files) written.push(await write(step))
    if (files.length > 0) await validate(plan.validations, tools, checkConfig)
  } catch (error) {
    await putBack(written, error)
    const { mend } = error as { mend?: string }
    throw new PopauthdError(`${reasonOf(error)}; all files are as they were`, {
      cause: error,
      mend: mend ?? 'put the lines in by hand, and see what the MTA says about them',
    })
  }
  return written
}

async function refuseChanged({ path, before }: FileStep, tools: Tools): Promise<void> {
  if ((await tools.read(path)) === before) return
  throw new PopauthdError(`${path} was changed meanwhile: nothing was written`, { mend: 'run the command again' })
}

/** What the MTA refuses as it is cannot be judged after a change. */
async function refuseBroken(validations: readonly Validation[], tools: Tools): Promise<void> {
  for (const validation of validations) {
    const fault = await validation(tools, 'before')
    if (fault === undefined) continue
    throw new PopauthdError(`the MTA refuses its configuration as it is: ${fault}; nothing was written`, {
      mend: 'mend that first',
    })
  }
}

async function runStep({ command }: CommandStep, tools: Tools): Promise<void> {
  const result = await tools.run(command)
  if (result?.code === 0) return
  const why = result === undefined ? 'there is no such program' : saidBy(result)
  throw new PopauthdError(`${command.join(' ')} failed: ${why}; no file was changed`, { mend: 'run this as root' })
}

async function write({ path, before, after }: FileStep): Promise<WrittenFile> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 })
    const target = await realTarget(path)
    const backup = before === undefined ? undefined : await backUp(target)
    const encoding = before === undefined ? 'utf8' : encodingOf(await readFile(target))
    await replaceFile(path, [Buffer.from(after as string, encoding)], { mode: MODE })
    return { path: target, backup }
  } catch (error) {
    throw new PopauthdError(`cannot change ${path}: ${reasonOf(error)}`, { cause: error, mend: 'run this as root' })
  }
}

/** A second name of the file as it is, which is replaced and not written to: owner, mode and all stay. Its name is a free one. */
async function backUp(path: string): Promise<string> {
  for (let n = 1; n <= MOST_BACKUPS; n++) {
    const backup = `${path}.before-popauthd-${n}`
    const error = await link(path, backup).catch((failed: NodeJS.ErrnoException) => failed)
    if (error === undefined) return backup
    if (error.code === 'EEXIST') continue
    await copyFile(path, backup, constants.COPYFILE_EXCL) // a file system without second names
    return backup
  }
  throw new PopauthdError(`there are ${MOST_BACKUPS} files ${path}.before-popauthd-*`, { mend: 'take old ones away' })
}

async function validate(
  validations: readonly Validation[],
  tools: Tools,
  checkConfig: () => Promise<void>,
): Promise<void> {
  await checkConfig()
  for (const validation of validations) {
    const fault = await validation(tools, 'after')
    if (fault !== undefined) throw new PopauthdError(`the MTA refuses its new configuration: ${fault}`)
  }
}

/** Puts back whatever can be. @throws {PopauthdError} naming what cannot */
async function putBack(written: readonly WrittenFile[], cause: unknown): Promise<void> {
  const left: string[] = []
  const mends: string[] = []
  for (const { path, backup } of [...written].reverse())
    await (backup === undefined ? unlink(path) : rename(backup, path)).catch((error: unknown) => {
      left.push(`cannot put ${path} back: ${reasonOf(error)}`)
      mends.push(backup === undefined ? `rm ${shellPath(path)}` : `mv ${shellPath(backup)} ${shellPath(path)}`)
    })
  if (left.length === 0) return
  throw new PopauthdError([reasonOf(cause), ...left].join('; '), { cause, mend: mends.join('; ') })
}

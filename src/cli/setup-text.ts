/** A plan of `setup mta` as people and programs read it. File names and an MTA's own words are untrusted: escaped here. */
import { escapeForTerminal, shellWord } from '../lib/escape.ts'
import type { Colors } from '../lib/terminal.ts'
import { unifiedDiff } from '../lib/unified-diff.ts'
import { wrapWords } from '../lib/wrap-words.ts'
import type { WrittenFile } from '../setup/carry-out.ts'
import { type FileStep, isDone, type Mta, type Plan, type Step } from '../setup/plan.ts'

const NARROWEST = 40
const WIDEST = 120

/** The plan for programs: what of it is done already, and what would be changed. */
export function planJson(plan: Plan): Readonly<Record<string, unknown>> {
  const { mta, by, seen, troubles, notes, afterwards, checks } = plan
  const steps = plan.steps.map((step) => {
    const done = isDone(step)
    if (step.kind === 'command') return { kind: step.kind, command: step.command, reason: step.reason, done }
    const { kind, path, reason, lines } = step
    if (step.kind === 'hand') return { kind, path, reason, lines, done }
    return { kind, path, reason, lines, diff: diffOf(step), done }
  })
  return { mta, by, done: plan.steps.every(isDone), seen, troubles, notes, steps, afterwards, checks }
}

/** Null where the change has to be made by hand. */
function diffOf({ path, before, after }: FileStep): string | null {
  return after === undefined ? null : unifiedDiff(path, before, after)
}

/** Everything: what was seen, what is in the way, the steps with their reasons, how to go on and how to check. */
export function planText(mta: Mta, plan: Plan, colors: Colors, width: number): string {
  const columns = Math.min(WIDEST, Math.max(NARROWEST, width))
  const said = (text: string, indent = '') => wrapped(text, columns, indent)
  return [
    `${colors.bold(`${mta.title}, by ${plan.by}`)} (${mta.page})\n`,
    ...plan.seen.map((text) => said(text, '  ')),
    ...troubleTexts(plan, colors, said),
    ...noteTexts(plan, colors, said),
    ...plan.steps.map((step, i) => `\n${stepText(step, i + 1, colors, said)}`),
    ...afterwardsTexts('Then', plan.afterwards, colors),
    ...afterwardsTexts('See that it works', plan.checks, colors),
  ].join('')
}

type Said = (text: string, indent?: string) => string

function wrapped(text: string, columns: number, indent: string): string {
  return wrapWords(escapeForTerminal(text), columns - indent.length)
    .map((line) => `${indent}${line}\n`)
    .join('')
}

function troubleTexts({ troubles }: Plan, colors: Colors, said: Said): string[] {
  return troubles.map(
    ({ text, mends }) =>
      `\n${colors.red('in the way')}\n${said(text, '  ')}${mends.map((mend) => said(`-> ${mend}`, '  ')).join('')}`,
  )
}

function noteTexts({ notes }: Plan, colors: Colors, said: Said): string[] {
  return notes.map((text) => `\n${colors.yellow('note')}\n${said(text, '  ')}`)
}

function stepText(step: Step, number: number, colors: Colors, said: Said): string {
  const state = isDone(step)
    ? colors.green(' (done)')
    : step.kind === 'hand' || (step.kind === 'file' && step.after === undefined)
      ? colors.yellow(' (by hand)')
      : ''
  const title = step.kind === 'command' ? 'run' : step.path
  const lines = step.kind === 'command' ? `${shellLine(step.command)}\n` : step.lines
  return `${number}. ${colors.bold(escapeForTerminal(title))}${state}\n${said(step.reason, '   ')}${lines === '' ? '' : `\n${indented(lines)}`}`
}

/** Lines to be copied: not wrapped, never changed but for what no terminal should see. */
function indented(lines: string): string {
  return lines
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${line === '' ? '' : '    '}${line.split('\t').map(escapeForTerminal).join('\t')}\n`)
    .join('')
}

function shellLine(command: readonly string[]): string {
  return command.map(shellWord).join(' ')
}

function afterwardsTexts(title: string, lines: readonly string[], colors: Colors): string[] {
  return lines.length === 0 ? [] : [`\n${colors.bold(title)}\n\n${indented(lines.map((line) => `${line}\n`).join(''))}`]
}

/** What is about to be done: a diff of each file, and the commands. */
export function changesText(plan: Plan, colors: Colors): string {
  return plan.steps
    .filter((step) => step.kind !== 'hand')
    .filter((step) => !isDone(step))
    .map((step) =>
      step.kind === 'command' ? `run: ${escapeForTerminal(shellLine(step.command))}\n` : coloredDiff(step, colors),
    )
    .join('\n')
    .concat('\n')
}

function coloredDiff(step: FileStep, colors: Colors): string {
  return (diffOf(step) ?? '')
    .split('\n')
    .map((line) => {
      const safe = line.split('\t').map(escapeForTerminal).join('\t')
      if (/^(---|\+\+\+) /.test(line)) return colors.bold(safe)
      return line.startsWith('-') ? colors.red(safe) : line.startsWith('+') ? colors.green(safe) : safe
    })
    .join('\n')
}

/** What was done, and what is left to the operator. */
export function writtenText(
  mta: Mta,
  plan: Plan,
  written: readonly WrittenFile[],
  colors: Colors,
  width: number,
): string {
  const columns = Math.min(WIDEST, Math.max(NARROWEST, width))
  const said: Said = (text, indent = '') => wrapped(text, columns, indent)
  if (plan.steps.every(isDone))
    return [
      said(`${mta.title}: nothing is to be done, all of it is there already`),
      ...noteTexts(plan, colors, said),
      ...afterwardsTexts('See that it works', plan.checks, colors),
    ].join('')
  const left = plan.steps.filter((step) => step.kind === 'hand' && !isDone(step))
  const byHand = left.map((step, i) => `\n${stepText(step, i + 1, colors, said)}`)
  const files = written.map(({ path, backup }) =>
    said(backup === undefined ? `${path}: new` : `${path}: changed; as it was: ${backup}`),
  )
  return [
    ...files,
    ...byHand,
    ...noteTexts(plan, colors, said),
    ...afterwardsTexts('Nothing was restarted. Now run', plan.afterwards, colors),
  ].join('')
}

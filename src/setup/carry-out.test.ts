import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { carryOut } from './carry-out.ts'
import { fakeTools } from './fake-tools.ts'
import type { Plan, Step, Validation } from './plan.ts'
import { hostTools, type Tools } from './tools.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'popauthd-setup-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const path = (name: string) => join(directory, name)
const text = (name: string) => readFileSync(path(name), 'utf8')
const file = (name: string, before: string | undefined, after: string): Step => ({
  kind: 'file',
  path: path(name),
  reason: '',
  lines: '',
  before,
  after,
})
const command = (...words: string[]): Step => ({ kind: 'command', command: words, reason: '', done: false })
const planOf = (steps: readonly Step[], validations: readonly Validation[] = []): Plan => ({
  mta: 'x',
  by: 'y',
  seen: [],
  troubles: [],
  notes: [],
  steps,
  validations,
  afterwards: [],
  checks: [],
})
const run = (plan: Plan, tools: Tools = hostTools, check = async () => {}) => carryOut(plan, tools, check)
const refusedAfterwards: Validation = async (_, stage) => (stage === 'after' ? 'line 3: what?' : undefined)

it('keeps each file as it was, with its mode, under a free name; makes new ones', async () => {
  writeFileSync(path('main.cf'), 'old\n')
  chmodSync(path('main.cf'), 0o640)
  writeFileSync(path('main.cf.before-popauthd-1'), 'older\n')
  const written = await run(planOf([file('main.cf', 'old\n', 'new\n'), file('sub/x.conf', undefined, 'x\n')]))
  expect(written).toEqual([
    { path: path('main.cf'), backup: path('main.cf.before-popauthd-2') },
    { path: path('sub/x.conf'), backup: undefined },
  ])
  expect([
    text('main.cf'),
    text('main.cf.before-popauthd-1'),
    text('main.cf.before-popauthd-2'),
    text('sub/x.conf'),
  ]).toEqual(['new\n', 'older\n', 'old\n', 'x\n'])
  expect(statSync(path('main.cf')).mode & 0o777).toBe(0o640)
})

it('keeps every byte of a file that is no UTF-8', async () => {
  const latin1 = (words: string) => Buffer.from(words, 'latin1')
  writeFileSync(path('main.cf'), latin1('# für\nold\n'))
  const before = (await hostTools.read(path('main.cf'))) ?? ''
  await run(planOf([file('main.cf', before, `${before}new\n`)]))
  expect(readFileSync(path('main.cf'))).toEqual(latin1('# für\nold\nnew\n'))
})

it('puts everything back where the MTA or popauthd refuses it', async () => {
  writeFileSync(path('main.cf'), 'old\n')
  const plan = planOf([file('main.cf', 'old\n', 'new\n'), file('x.conf', undefined, 'x\n')], [refusedAfterwards])
  await expect(run(plan)).rejects.toThrow(/refuses its new configuration: line 3: what\?; all files are as they were/)
  await expect(run(planOf(plan.steps), hostTools, () => Promise.reject(new Error('no such option')))).rejects.toThrow(
    /no such option/,
  )
  expect(text('main.cf')).toBe('old\n')
  expect(readdirSync(directory)).toEqual(['main.cf'])
})

it('puts back what can be, and names what cannot', async () => {
  writeFileSync(path('main.cf'), 'old\n')
  const takesAway: Validation = async (_, stage) => {
    if (stage === 'before') return undefined
    rmSync(path('x.conf'))
    return 'line 3: what?'
  }
  const plan = planOf([file('main.cf', 'old\n', 'new\n'), file('x.conf', undefined, 'x\n')], [takesAway])
  await expect(run(plan)).rejects.toMatchObject({
    message: expect.stringMatching(/line 3: what\?; cannot put \S+x\.conf back: no such file/),
    mend: `rm ${path('x.conf')}`,
  })
  expect(text('main.cf')).toBe('old\n')
})

it('touches nothing where a file has changed meanwhile, the MTA refuses what is there, or a program fails', async () => {
  writeFileSync(path('main.cf'), 'old\n')
  const step = file('main.cf', 'old\n', 'new\n')
  await expect(run(planOf([file('main.cf', 'other\n', 'new\n')]))).rejects.toThrow(/changed meanwhile/)
  await expect(run(planOf([step], [async () => 'line 1']))).rejects.toThrow(/as it is: line 1; nothing was written/)
  const tools = { ...fakeTools({ 'usermod -aG': { code: 6, stderr: 'no such group' } }), read: hostTools.read }
  await expect(run(planOf([step, command('usermod', '-aG', 'x')]), tools)).rejects.toThrow(
    /no such group; no file was changed/,
  )
  expect(text('main.cf')).toBe('old\n')
  expect(readdirSync(directory)).toEqual(['main.cf'])
})

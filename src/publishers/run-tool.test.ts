import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runTool, toolResult } from './run-tool.ts'

const options = { whenMissing: 'install it' }
const { signal } = new AbortController()
let directory: string
let file: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
  file = join(directory, 'out')
})
afterEach(() => rm(directory, { recursive: true }))

// Writes only once it has met the end of its input, as a tool does that takes it as a whole.
const taker = () => ['/bin/sh', '-c', 'all=$(cat; echo .); printf %s "$all" > "$0"; echo taken >&2; exit 3', file]

async function* pieces(count: number, failure?: Error) {
  for (let at = 0; at < count; at++) yield `${at} ${'x'.repeat(50_000)}\n`
  if (failure !== undefined) throw failure
}

it('feeds a tool piece by piece, and tells how it ended', async () => {
  expect(await toolResult(taker(), pieces(40), signal, options)).toEqual({ status: 3, said: 'taken' })
  const text = await readFile(file, 'latin1')
  expect(text.split('\n').slice(0, -1)).toHaveLength(40)
})

it('kills a tool before it meets the end of an input that failed', async () => {
  const failure = new Error('given up')
  await expect(toolResult(taker(), pieces(3, failure), signal, options)).rejects.toBe(failure)
  await expect(readFile(file)).rejects.toThrow('ENOENT')
})

it('ends with a tool that reads nothing of a long input', async () => {
  expect(await toolResult(['/bin/sh', '-c', 'exit 4'], pieces(200), signal, options)).toEqual({ status: 4, said: '' })
})

it('says what to do where the tool is not there, also with pieces waiting', async () => {
  await expect(toolResult(['/nonexistent/nft'], pieces(3), signal, options)).rejects.toMatchObject({
    name: 'PublishError',
    mend: 'install it',
  })
})

it('does not wait for what a program leaves running behind it', { timeout: 20_000 }, async () => {
  await runTool(['/bin/sh', '-c', 'sleep 25 & exit 0'], '', signal, options)
})

it('gives what a program said before it failed, though something still holds its output', async () => {
  const failing = runTool(['/bin/sh', '-c', 'echo no such map >&2; sleep 25 & exit 3'], '', signal, options)
  await expect(failing).rejects.toThrow(/failed \(3\): no such map/)
})

it('ends a program that takes no notice of a request to end', { timeout: 20_000 }, async () => {
  const command = ['/bin/sh', '-c', 'trap "" TERM; while :; do sleep 1; done']
  const failing = runTool(command, '', signal, { ...options, timeoutMs: 300 })
  await expect(failing).rejects.toThrow(/killed by SIGKILL/)
})

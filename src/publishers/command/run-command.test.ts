// Real programs: shell scripts that behave well, and ones that do everything wrong.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../test/support/wait-for.ts'
import { ManualClock } from '../../lib/clock.ts'
import { MOST_COMMAND_MS, MOST_PAUSE_MS, runCommand } from './run-command.ts'

describe('a command with lines on its standard input', () => {
  let directory: string
  let clock: ManualClock
  let out: string
  const live = new AbortController().signal

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'popauthd-'))
    clock = new ManualClock(1_700_000_000_000)
    out = join(directory, 'out')
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function* lines(...texts: string[]) {
    yield* texts
  }
  const run = (command: string[], input: AsyncIterable<string> = lines('all\n', 'end\n'), signal = live) =>
    runCommand(input, signal, { command, stateDirectory: directory, clock })
  const sh = (script: string, input?: AsyncIterable<string>, signal?: AbortSignal) =>
    run(['/bin/sh', '-c', script, 'sh', out], input, signal)
  const pidIn = (path: string) =>
    waitFor('a process id', async () => Number(await readFile(path, 'utf8').catch(() => '')) || undefined)
  const isGone = (pid: number) => waitFor(`the end of ${pid}`, async () => (await stateOf(pid)) || undefined)
  // A killed process whose parent has not taken note of it is gone, too.
  const stateOf = async (pid: number) => {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return status === '' || status.split(') ')[1]?.startsWith('Z')
  }

  it('gets them all, in order, with its arguments as they are', async () => {
    await run(
      ['/bin/sh', '-c', 'cat > "$1"; echo "$2" >> "$1"', 'sh', out, '$(id) `id`'],
      lines('all\n', 'a\nb\n', 'end\n'),
    )
    expect(await readFile(out, 'utf8')).toBe('all\na\nb\nend\n$(id) `id`\n')
  })

  it('gets a small environment', async () => {
    process.env.POPAUTHD_TEST_SECRET = 'secret'
    try {
      await sh('env > "$1"')
    } finally {
      delete process.env.POPAUTHD_TEST_SECRET
    }
    const text = await readFile(out, 'utf8')
    expect(text).toMatch(/^LC_ALL=C$/m)
    expect(text).not.toContain('secret')
  })

  it('is written to as fast as it reads: a large table is not held in memory', async () => {
    let made = 0
    async function* many() {
      for (; made < 4000; made++) yield `${'x'.repeat(1000)}\n`
      yield 'end\n'
    }
    const fifo = join(directory, 'go')
    await sh(`mkfifo "${fifo}"`)
    const running = sh(`read -r go < "${fifo}"; wc -l > "$1"`, many())
    let before = -1
    const isFull = () => {
      const stands = made > 0 && made === before
      before = made
      return stands || undefined
    }
    await waitFor('a full pipe', isFull, { everyMs: 50 })
    expect(made).toBeLessThan(400)
    await writeFile(fifo, 'go\n')
    await running
    expect(Number(await readFile(out, 'utf8'))).toBe(4001)
  })

  it('fails with what it said, made safe, and how it ended', async () => {
    await expect(sh('echo "no \u001b[31mtable" >&2; echo again >&2; exit 7')).rejects.toMatchObject({
      name: 'PublishError',
      retryable: true,
      message: '/bin/sh did not take the changes: exit status 7: no \\x1b[31mtable; again',
    })
    await expect(sh('kill -9 $$')).rejects.toThrow('killed by SIGKILL')
  })

  it('is told about by the beginning of what it says', async () => {
    const error = await sh('head -c 100000 /dev/zero | tr "\\0" x >&2; exit 1').catch((error: Error) => error)
    expect((error as Error).message.length).toBeLessThan(2100)
  })

  it('that is not there, or may not be run, is named', async () => {
    await expect(run([join(directory, 'none')])).rejects.toThrow(/cannot run .*none: no such file or directory/)
    await writeFile(out, 'x', { mode: 0o644 })
    await expect(run([out])).rejects.toMatchObject({ name: 'PublishError', retryable: true })
  })

  it('may leave its input unread, or close it early: status 0 says taken, another that it failed', async () => {
    const big = () => lines(...Array.from({ length: 50 }, () => 'x'.repeat(10_000)))
    await run(['/bin/true'], big())
    await sh('exec 0<&-; exit 0', big())
    await sh('read -r first; exit 0', big())
    await expect(sh('exec 0<&-; exit 3', big())).rejects.toThrow('exit status 3')
  })

  it('that runs on is ended after its time, with the processes that it started', async () => {
    const running = sh('sleep 1000 & echo $! > "$1"; wait').catch((error: Error) => error)
    const pid = await pidIn(out)
    clock.advance(MOST_PAUSE_MS)
    expect(await running).toMatchObject({ name: 'PublishError', retryable: true })
    expect(String(await running)).toContain('neither read on nor ended for 8 s')
    await isGone(pid)
  })

  it('that reads nothing and runs on is ended after its time', async () => {
    const running = run(['/bin/sleep', '1000'], lines(...Array.from({ length: 50 }, () => 'x'.repeat(10_000))))
    clock.advance(MOST_PAUSE_MS)
    await expect(running).rejects.toThrow('neither read on nor ended for 8 s')
  })

  it('that reads on has more time, but not without end', async () => {
    let made = 0
    async function* slowly() {
      for (; made < 40; made++) {
        yield 'line\n'
        clock.advance(1000)
      }
    }
    await sh('cat > "$1"', slowly())
    expect((await readFile(out, 'utf8')).length).toBe(40 * 5)
    async function* endlessly() {
      for (;;) {
        yield 'line\n'
        clock.advance(1000)
      }
    }
    const startedMs = clock.now()
    await expect(sh('cat > "$1"', endlessly())).rejects.toThrow('did not end within 45 s')
    expect(clock.now() - startedMs).toBeGreaterThanOrEqual(MOST_COMMAND_MS)
  })

  it('that writes endlessly is ended', async () => {
    await expect(run(['/bin/sh', '-c', 'exec yes >&2'])).rejects.toThrow('wrote more than')
    const quiet = run(['/usr/bin/yes'])
    clock.advance(MOST_PAUSE_MS)
    await expect(quiet).rejects.toThrow('neither read on nor ended')
  })

  it('is over when it ends, though what it left running holds its standard error open', async () => {
    await sh('sleep 1000 & echo $! > "$1"; exit 0')
    process.kill(await pidIn(out), 'SIGKILL')
    await rm(out)
    let settled: unknown
    sh('echo broken >&2; sleep 1000 & echo $! > "$1"; exit 1').catch((error: Error) => {
      settled = error
    })
    const pid = await pidIn(out)
    // The program may not have ended yet when its child's number is there.
    const withTimePassing = () => {
      clock.advance(200)
      return settled
    }
    await waitFor('its end', withTimePassing)
    expect(String(settled)).toContain('exit status 1: broken')
    process.kill(pid, 'SIGKILL')
  })

  it('is ended when popauthd gives it up, and not begun after that', async () => {
    const stop = new AbortController()
    const running = sh('echo $$ > "$1"; exec sleep 1000', undefined, stop.signal).catch((error: Error) => error)
    const pid = await pidIn(out)
    stop.abort()
    expect(await running).toMatchObject({ name: 'PublishError' })
    await isGone(pid)
    await rm(out)
    await expect(sh('echo x > "$1"', undefined, stop.signal)).rejects.toThrow()
    await expect(readFile(out)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('is ended where the table cannot be read to its end, and never sees one', async () => {
    async function* broken() {
      yield 'all\n'
      await pidIn(out)
      throw new Error('the table is damaged')
    }
    await expect(sh('echo $$ > "$1"; cat > "$1.lines"; sleep 1000', broken())).rejects.toThrow('the table is damaged')
    await isGone(await pidIn(out))
    expect(await readFile(`${out}.lines`, 'utf8').catch(() => '')).not.toContain('end')
  })
})

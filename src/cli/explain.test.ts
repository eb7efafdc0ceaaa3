import { describe, expect, it } from 'vitest'
import { parsers } from '../parsers/index.ts'
import { callCli } from './fake-process.ts'

const LOGIN = 'Mar 16 10:54:52 mx popper[21040]: (v3.1.2) POP login by user "michelle" at (pc.example.com) 198.51.100.7'

describe('explain', () => {
  it('tells who took a login, its facts, and the column of each field', async () => {
    const { code, stdout } = await callCli(['explain', '--timezone', 'UTC', LOGIN])
    expect(code).toBe(0)
    expect(stdout).toMatch(/Qpopper \(qpopper\): a successful login/)
    expect(stdout).toMatch(/address +198\.51\.100\.7/)
    expect(stdout).toMatch(/2026-03-16T10:54:52\.000Z/)
    const column = LOGIN.indexOf('michelle') + 1
    expect(stdout).toMatch(new RegExp(`user +column +${column} +michelle`))
  })

  it('tells where the closest parser failed, with a caret under it', async () => {
    const line = `${LOGIN} trailing`
    const { code, stdout } = await callCli(['explain', line])
    expect(code).toBe(1)
    expect(stdout).toMatch(/no login: closest is Qpopper \(qpopper\), column \d+/)
    const [shown, caret] = stdout.split('\n')
    expect(shown).toBe(line)
    expect(caret).toMatch(/^ +\^$/)
    const told = Number(/qpopper\), column (\d+)/.exec(stdout)?.[1])
    expect(caret?.length).toBe(told)
  })

  it('names the imitated server first, where another program wrote the line', async () => {
    const forged = 'Nov 22 10:00:00 mx sm-mta[9]: x: arg1=<"POP login by user "admin" at (host) 203.0.113.9">'
    expect((await callCli(['explain', forged])).stdout).toMatch(/closest is Qpopper.*written by sm-mta/)
  })

  it('shows the closest few of all formats, and none that is far away', async () => {
    const broken = LOGIN.replace('198.51.100.7', 'nowhere')
    const { others } = JSON.parse((await callCli(['explain', '--json', broken])).stdout) as { others: object[] }
    expect(others.length).toBeLessThanOrEqual(3)
    const { stdout } = await callCli(['explain', broken])
    expect(stdout).toMatch(/closest is Qpopper \(qpopper\)/)
    expect(stdout.split('\n').length).toBeLessThan(10)
    expect(stdout).not.toMatch(/column 1: written by popper/)
  })

  it('says where a line is of no format at all, and what to do about it', async () => {
    const foreign = await callCli(['explain', 'Nov 22 10:00:00 mx sshd[9]: Accepted password for root'])
    expect(foreign.code).toBe(1)
    expect(foreign.stdout).toMatch(/no login: no format is for lines like this; column 1: written by sshd/)
    expect(foreign.stdout).toMatch(/docs\/own-formats\.md shows how to add one\n$/)
    const noTime = await callCli(['explain', 'what is this'])
    expect(noTime.stdout).toMatch(/no format is for lines like this; column 1: no time at the start of the line/)
  })

  it('keeps the caret in place after characters that were escaped', async () => {
    const { stdout } = await callCli(['explain', `${LOGIN.replace('mx', 'mx')}\u0007\u001b[2J`])
    const [shown = '', caret = ''] = stdout.split('\n')
    expect(stdout).not.toMatch(/[\u0007\u001b]/)
    expect(caret.length).toBeLessThanOrEqual(shown.length + 1)
  })

  it('reads standard input line by line; one line that is no login makes it 1', async () => {
    const { code, stdout } = await callCli(['explain', '--json'], { stdin: `${LOGIN}\nnothing of interest\n` })
    expect(code).toBe(1)
    const [first, second] = stdout
      .split('\n')
      .slice(0, 2)
      .map((line) => JSON.parse(line))
    expect(first).toMatchObject({
      parser: 'qpopper',
      outcome: 'login',
      login: { user: 'michelle', ip: '198.51.100.7' },
    })
    expect(second).toMatchObject({ line: 'nothing of interest', outcome: 'none', login: null })
  })
})

describe('explain of the lines of popa3d', () => {
  const connection = 'Nov 22 10:13:58 mx1 popa3d[335]: Session from 198.51.100.7'
  const passed = 'Nov 22 10:13:58 mx1 popa3d[335]: Authentication passed for alice'

  it('joins them where both come by standard input', async () => {
    const { code, stdout } = await callCli(['explain'], { stdin: `${connection}\n${passed}\n` })
    expect(code).toBe(0)
    expect(stdout).toMatch(/the second of two lines: with the earlier one of the same process, a successful login\n/)
    expect(stdout).toMatch(/address +198\.51\.100\.7\n[\s\S]*where it stands in the line:\n/)
    const json = await callCli(['explain', '--json'], { stdin: `${connection}\n${passed}\n` })
    expect(JSON.parse(json.stdout.split('\n')[1] ?? '')).toMatchObject({
      outcome: 'login_without_address',
      login: { user: 'alice', ip: '198.51.100.7', server: 'popa3d' },
    })
  })

  it.each([
    ['a connection alone', [connection]],
    ['a connection after the login', [passed, connection]],
    ['another process', [connection, passed.replace('335', '336')]],
    ['a login, then a connection alone', [connection, passed, connection]],
  ])('is no login: %s', async (_, lines) => {
    expect((await callCli(['explain'], { stdin: lines.join('\n') })).code).toBe(1)
  })

  it('says why nothing comes of a line, where others speak against it', async () => {
    expect((await callCli(['explain', passed])).stdout).toMatch(/no login comes of it: no line of the connection/)
    const elsewhere = `${passed} -- [203.0.113.9]`
    const { code, stdout } = await callCli(['explain', '--json'], { stdin: `${connection}\n${elsewhere}\n` })
    expect(code).toBe(1)
    expect(JSON.parse(stdout.split('\n')[1] ?? '')).toMatchObject({
      login: null,
      reason: 'its process has a connection from another address',
    })
  })
})

it('says that it reads from the terminal, where nothing is piped', async () => {
  const asked = await callCli(['explain'], { stdin: `${LOGIN}\n`, isTTY: true })
  expect(asked).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^popauthd: reading log lines .*Ctrl-D ends\n$/),
  })
  expect((await callCli(['explain', LOGIN], { isTTY: true })).stderr).toBe('')
  expect((await callCli(['explain'], { stdin: `${LOGIN}\n` })).stderr).toBe('')
})

describe('formats', () => {
  it('lists every parser with its literals and a sample that explain takes', async () => {
    const { code, stdout } = await callCli(['formats', '--json'])
    expect(code).toBe(0)
    const all = JSON.parse(stdout) as { id: string; sample: string[] }[]
    expect(all).toMatchObject(parsers.map(({ id, title, literals }) => ({ id, title, literals })))
    for (const { id, sample } of all) {
      const explained = (await callCli(['explain', '--json'], { stdin: sample.join('\n') })).stdout
        .trimEnd()
        .split('\n')
      expect(JSON.parse(explained.at(-1) ?? '')).toMatchObject({ parser: id, outcome: expect.stringMatching(/^login/) })
    }
    const text = (await callCli(['formats'])).stdout
    for (const { id, title } of parsers) expect(text).toContain(`${id}  ${title}\n`)
  })
})

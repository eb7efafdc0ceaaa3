import { join } from 'node:path'
import { expect, it } from 'vitest'
import { packageRoot } from '../lib/package-root.ts'
import { callCli } from './fake-process.ts'

it('with --here is about the configuration of the checkout', async () => {
  const { stdout } = await callCli(['--here', 'setup', 'mta', 'qmail', '--json'])
  const { steps } = JSON.parse(stdout) as { steps: readonly { path: string }[] }
  expect(steps[0]?.path).toMatch(new RegExp(`^${join(packageRoot, 'var')}/(demo/)?config/popauthd/popauthd\\.yaml$`))
})

it('a way that this MTA does not have is told with those it has', async () => {
  const { code, stderr } = await callCli(['setup', 'mta', 'postfix', '--by', 'milter'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/Postfix cannot be attached by "milter"[\s\S]*socketmap, policy, map/)
})

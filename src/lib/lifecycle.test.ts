import { expect, it } from 'vitest'
import { Lifecycle } from './lifecycle.ts'

it('closes in reverse order, past failures, and throws the first of them', async () => {
  const closed: string[] = []
  const part = (name: string, fails = false) => ({
    async [Symbol.asyncDispose]() {
      closed.push(name)
      if (fails) throw new Error(name)
    },
  })
  const parts = new Lifecycle()
  parts.use(part('first'))
  parts.use(part('second', true))
  parts.defer(() => void closed.push('deferred'))
  parts.use(part('last', true))
  await expect(parts[Symbol.asyncDispose]()).rejects.toThrow('last')
  expect(closed).toEqual(['last', 'deferred', 'second', 'first'])
  await parts[Symbol.asyncDispose]()
  expect(closed).toHaveLength(4)
})

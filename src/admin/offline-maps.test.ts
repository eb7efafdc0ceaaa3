/** Maps without a daemon, where one of them does not get ready. */
import { expect, it } from 'vitest'
import type { Publisher } from '../publishers/publisher.ts'
import { syncMaps } from './offline-maps.ts'

/** A map; `done` is told once it is in step or closed. */
function map(name: string, done: (name: string) => Promise<void>) {
  const publisher: Publisher = {
    name,
    needs: 'membership',
    setAlways: () => {},
    publish: () => done(name),
    resync: () => done(name),
    closeAll: () => done(name),
    async [Symbol.asyncDispose]() {},
  }
  return { publisher, gatherMilliseconds: 0 }
}

it.each([['in_step', () => []] as const, ['closed', undefined] as const])(
  'one that hangs keeps no other from being %s',
  async (state, all) => {
    let letGo = () => {}
    const hanging = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const done: string[] = []
    const good = async (name: string) => void done.push(name)
    const maps = [map('hangs', () => hanging), map('fails', () => Promise.reject(new Error('no'))), map('good', good)]
    const answers = syncMaps({ all: maps, sendmail: undefined }, all)
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toEqual(['good'])
    letGo()
    expect(await answers).toEqual([
      { name: 'hangs', state },
      { name: 'fails', state: 'failing', problem: 'no' },
      { name: 'good', state },
    ])
  },
)

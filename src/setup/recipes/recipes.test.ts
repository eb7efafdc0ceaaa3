// The recipes are the blocks of the pages in docs, letter for letter: what setup prints is what people read and what the end-to-end tests try.
import { expect, it } from 'vitest'
import { blocksOf } from '../../../test/support/page-blocks.ts'
import { eximBlocks, eximDefaults, eximMapBlocks } from './exim.ts'
import {
  courierBlocks,
  courierDefaults,
  mapDefaults,
  opensmtpdBlocks,
  opensmtpdDefaults,
  opensmtpdRules,
  qmailBlocks,
  tcpserverOption,
} from './others.ts'
import { postfixBlocks, postfixDefaults } from './postfix.ts'
import { sendmailBlocks, sendmailDefaults } from './sendmail.ts'

const recipes: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['postfix.md', texts(postfixBlocks, postfixDefaults)],
  ['exim.md', texts(eximBlocks, eximDefaults)],
  ['exim.md', texts(eximMapBlocks, undefined)],
  ['opensmtpd.md', texts(opensmtpdBlocks, opensmtpdDefaults)],
  ['courier.md', texts(courierBlocks, courierDefaults)],
  ['qmail.md', texts(qmailBlocks, mapDefaults)],
  ['sendmail.md', texts(sendmailBlocks, sendmailDefaults)],
]

function texts<P>(blocks: Readonly<Record<string, (places: P) => string>>, places: P): Record<string, string> {
  return Object.fromEntries(Object.entries(blocks).map(([name, text]) => [name, text(places)]))
}

it.each(recipes.flatMap(([page, blocks]) => Object.entries(blocks).map(([name, text]) => [page, name, text] as const)))(
  '%s: %s',
  (page, name, text) => expect(text).toBe(blocksOf(page)(name)),
)

it('lines that people put among their own stand on the pages', () => {
  const rules = blocksOf('opensmtpd.md')('rules').trimEnd().split('\n')
  expect([rules[0], rules.at(-1)]).toEqual(opensmtpdRules(opensmtpdDefaults))
  expect(blocksOf('qmail.md')('run')).toContain(` ${tcpserverOption(mapDefaults)} `)
})

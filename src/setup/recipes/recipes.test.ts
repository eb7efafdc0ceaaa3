// The recipes are the blocks of the pages in docs, letter for letter: what setup prints is what people read and what the end-to-end tests try.
import { expect, it } from 'vitest'
import { blocksOf } from '../../../test/support/page-blocks.ts'
import { eximBlocks, eximDefaults } from './exim.ts'
import { postfixBlocks, postfixDefaults } from './postfix.ts'
import { sendmailBlocks, sendmailDefaults } from './sendmail.ts'

const recipes: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['postfix.md', texts(postfixBlocks, postfixDefaults)],
  ['exim.md', texts(eximBlocks, eximDefaults)],
  ['sendmail.md', texts(sendmailBlocks, sendmailDefaults)],
]

function texts<P>(blocks: Readonly<Record<string, (places: P) => string>>, places: P): Record<string, string> {
  return Object.fromEntries(Object.entries(blocks).map(([name, text]) => [name, text(places)]))
}

it.each(recipes.flatMap(([page, blocks]) => Object.entries(blocks).map(([name, text]) => [page, name, text] as const)))(
  '%s: %s',
  (page, name, text) => expect(text).toBe(blocksOf(page)(name)),
)

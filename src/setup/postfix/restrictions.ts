/** Lists of restrictions (postconf(5), smtpd_relay_restrictions): read, and joined with the recipe only where every word is understood. */

/** Words that only permit, and so may stand in front of what asks popauthd. */
const PERMITS = new Set([
  'permit_mynetworks',
  'permit_sasl_authenticated',
  'permit_tls_clientcerts',
  'permit_tls_all_clientcerts',
  'permit_auth_destination',
])

/** Words that refuse to relay and nothing else: with any other at the end mail to own domains would be judged differently. */
const REFUSALS = new Set(['reject_unauth_destination', 'defer_unauth_destination'])

/** Words that refuse whoever is not served by a word in front of them. */
const REFUSES_STRANGERS = new Set([...REFUSALS, 'reject', 'defer', 'defer_if_permit', 'check_relay_domains'])

/** The words of a list: separated by blanks and commas; what stands in braces is one word. */
export function wordsOf(value: string): string[] {
  const words: string[] = []
  let [word, depth] = ['', 0]
  for (const character of `${value} `) {
    if (character === '{') depth++
    if (character === '}') depth--
    if (depth > 0 || !/[\s,]/.test(character)) word += character
    else if (word !== '') {
      words.push(word.replace(/\s+/g, ' '))
      word = ''
    }
  }
  return words
}

/** The place of `question` (one restriction with its argument) in `words`; -1 where it is not there. */
export function placeOf(question: string, words: readonly string[]): number {
  const wanted = wordsOf(question)
  return words.findIndex((_, i) => wanted.every((word, j) => words[i + j] === word))
}

/** The list with the question in it, a restriction each, or why it cannot be told where that belongs. */
type Merged = { readonly restrictions: readonly string[]; readonly done: boolean } | { readonly why: string }

/** Puts `question` behind what permits, and in front of what refuses to relay. What permits is kept, as is how strangers are refused. */
export function withQuestion(value: string, question: string): Merged {
  const words = wordsOf(value)
  const refusal = words.at(-1)
  if (refusal === undefined) return { why: 'is empty: relaying is judged somewhere else' }
  const at = placeOf(question, words)
  const length = wordsOf(question).length
  const own = words.indexOf('permit_auth_destination')
  if (at >= 0 && own >= 0 && own < at && words.findIndex((word) => REFUSALS.has(word)) > at)
    return { done: true, restrictions: inOrder(words, at, question) }
  if (!REFUSALS.has(refusal)) return { why: `ends with "${refusal}", not with reject_unauth_destination` }
  const others = words.slice(0, -1).filter((_, i) => at < 0 || i < at || i >= at + length)
  const unknown = others.find((word) => !PERMITS.has(word))
  if (unknown !== undefined)
    return { why: `holds "${unknown}"; whether popauthd belongs in front of it or behind is yours to say` }
  const permits = own < 0 ? [...others, 'permit_auth_destination'] : others
  return { done: false, restrictions: [...permits, question, refusal] }
}

function inOrder(words: readonly string[], at: number, question: string): string[] {
  return [...words.slice(0, at), question, ...words.slice(at + wordsOf(question).length)]
}

/** The first word that refuses strangers and has no question in front of it; undefined where there is none. */
export function refusalBefore(value: string, question: string): string | undefined {
  const words = wordsOf(value)
  const at = placeOf(question, words)
  const refusal = words.findIndex((word) => REFUSES_STRANGERS.has(word))
  return refusal < 0 || (at >= 0 && at < refusal) ? undefined : words[refusal]
}

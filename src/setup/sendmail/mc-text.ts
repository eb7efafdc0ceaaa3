/** The text of sendmail.mc (cf/README): m4 lines, of which only those that are exactly understood are looked at. */

/** Lines that m4 reads: no comments (`dnl` at the start, or between divert(-1) and divert(0)). */
function liveLines(text: string): { at: number; text: string }[] {
  let isDiverted = false
  return [...text.matchAll(/[^\n]*\n|[^\n]+$/g)].flatMap((match) => {
    const line = match[0]
    if (/^divert\(-1\)/.test(line)) isDiverted = true
    else if (/^divert\(0\)/.test(line)) isDiverted = false
    return isDiverted || /^\s*(dnl\b|#)/.test(line) ? [] : [{ at: match.index, text: line }]
  })
}

/** The text with `line` above the first line about mailers, or why not. Done: the very line is there. */
export function withFeature(
  text: string,
  line: string,
  feature: string,
): { readonly text: string; readonly done: boolean } | { readonly why: string } {
  const lines = liveLines(text)
  const bare = line.replace(/dnl\n$/, '').trim()
  if (lines.some((live) => live.text.trim().startsWith(bare))) return { text, done: true }
  const named = new RegExp(`\\bFEATURE\\(\\s*\`?${feature}\\b`) // m4 takes a name without quotes, too
  const same = lines.find((live) => named.test(live.text))
  if (same !== undefined) return { why: `has ${feature} already, in another form: ${same.text.trim()}` }
  const mailers = lines.find((live) => /^\s*(MAILER_DEFINITIONS|MAILER\()/.test(live.text))
  if (mailers === undefined) return { why: 'has no MAILER line' }
  return { text: text.slice(0, mailers.at) + line + text.slice(mailers.at), done: false }
}

/** True where rules of the operator's own stand in the rule set that the feature fills. */
export function hasOwnRules(text: string): boolean {
  return liveLines(text).some((live) => /^SLocal_Relay_Auth\b/.test(live.text))
}

/** The directory of the features: beside that of the m4/cf.m4 which the text includes. */
export function featureDirectory(text: string): string | undefined {
  const included = liveLines(text).map((live) => /^\s*include\(`(\/[^']*)\/m4\/cf\.m4'\)/.exec(live.text)?.[1])
  const directory = included.find((found) => found !== undefined)
  return directory === undefined ? undefined : `${directory}/feature`
}

/** Makes untrusted text safe to show on a terminal: no control byte, no direction override, no invisible character gets through. */

const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** As in UNSAFE, but for what JSON escapes by itself. */
const UNSAFE_IN_JSON =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g

/** `text` with every character that could move the cursor, hide or reorder text written as `\xNN` or `\uNNNN`. */
export function escapeForTerminal(text: string): string {
  return text.replace(UNSAFE, (character) =>
    codesOf(character)
      .map((code) => (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`))
      .join(''),
  )
}

/** JSON, as JSON.stringify makes it, with every such character as `\uNNNN`: it says the same, and is safe on a terminal. */
export function escapeInJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) =>
    codesOf(character)
      .map((code) => `\\u${hex(code, 4)}`)
      .join(''),
  )
}

function codesOf(character: string): number[] {
  return Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

/** The path of a file as one word of a shell command that people are told to type; never taken for an option. */
export function shellPath(path: string): string {
  return shellWord(path.startsWith('-') ? `./${path}` : path)
}

/** One word of a shell command that people are told to type. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

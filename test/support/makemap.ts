// makemap and editmap for tests without a mail server: the machine's own, those of the laboratory's root, or a stand-in.
import { existsSync, readdirSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCache } from './roots.ts'
import { run } from './run.ts'

/** The commands for the options `makemap_command` and `editmap_command`, and a way to look into a map. */
export interface MapTools {
  readonly makemapCommand: readonly string[]
  readonly editmapCommand: readonly string[]
  /** False for the stand-in, which is used where sendmail is not installed and the laboratory's root has not been built. */
  readonly real: boolean
  /** Entries of the map whose text file is `textPath`, as `key value`, sorted. */
  dump(textPath: string): Promise<string[]>
}

/** Finds or makes the tools; wrapper scripts go into `directory`. */
export async function mapTools(directory: string): Promise<MapTools> {
  const [makemap, editmap] = [join(directory, 'makemap'), join(directory, 'editmap')]
  const home = realTools()
  if (home === undefined) {
    await script(makemap, STAND_IN_MAKEMAP)
    await script(editmap, STAND_IN_EDITMAP)
  } else {
    // -C: without a sendmail.cf on this machine makemap would not start.
    await writeFile(join(directory, 'sendmail.cf'), '')
    const loader = home.libraries === undefined ? '' : `LD_LIBRARY_PATH='${home.libraries}' `
    const options = `-C '${join(directory, 'sendmail.cf')}' "$@"`
    await script(makemap, `#!/bin/sh\n${loader}exec '${home.makemap}' ${options}\n`)
    await script(editmap, `#!/bin/sh\n${loader}exec '${home.editmap}' ${options}\n`)
  }
  const dump = async (textPath: string) => {
    const { code, stdout, stderr } = await run(makemap, ['-u', 'hash', textPath])
    if (code !== 0) throw new Error(`cannot dump ${textPath}: ${stderr}`)
    const lines = stdout.split('\n').filter(Boolean)
    return lines.map((line) => line.replace(/\t/, ' ')).sort()
  }
  return {
    makemapCommand: [makemap, '{type}', '{map}'],
    editmapCommand: [editmap, '-x', '{type}', '{map}'],
    real: home !== undefined,
    dump,
  }
}

function realTools(): { makemap: string; editmap: string; libraries?: string } | undefined {
  for (const home of ['/usr/sbin', '/usr/libexec/sendmail']) {
    if (existsSync(`${home}/makemap`) && existsSync(`${home}/editmap`)) {
      return { makemap: `${home}/makemap`, editmap: `${home}/editmap` }
    }
  }
  const root = existsSync(rootCache()) && readdirSync(rootCache()).find((name) => /^sendmail-[0-9a-f]+$/.test(name))
  if (!root) return undefined
  const path = join(rootCache(), root)
  const libraries = ['x86_64', 'aarch64'].map((machine) => `${path}/usr/lib/${machine}-linux-gnu`).find(existsSync)
  if (libraries === undefined || !existsSync(`${path}/usr/libexec/sendmail/makemap`)) return undefined
  const tools = `${path}/usr/libexec/sendmail`
  return { makemap: `${tools}/makemap`, editmap: `${tools}/editmap`, libraries }
}

async function script(path: string, text: string): Promise<void> {
  await writeFile(path, text)
  await chmod(path, 0o755)
}

// The stand-ins keep the map as folded text and fail where the real ones fail: repeated keys, lines without a value, leading blanks.
const STAND_IN_MAKEMAP = `#!/bin/sh
[ "$1" = -u ] && { cat "$3.db"; exit; }
append=; while [ "\${1#-}" != "$1" ]; do [ "$1" = -o ] && append=1; shift; done
[ -n "$append" ] || { : > "$2.db"; chmod 640 "$2.db"; }
awk -v append="$append" -v old="$2.db" '
  BEGIN { while ((getline line < old) > 0) { split(line, part, "\\t"); value[part[1]] = substr(line, length(part[1]) + 2) } }
  /^#/ || /^$/ { next }
  /^[ \\t]/ { print "leading space" > "/dev/stderr"; bad = 1; next }
  NF < 2 { print "no RHS for LHS " $1 > "/dev/stderr"; bad = 1; next }
  { key = tolower($1); rest = $0; sub(/^[^ \\t]+[ \\t]+/, "", rest)
    if (!append && (key in value)) { print "duplicate key " key > "/dev/stderr"; bad = 1 } else value[key] = rest }
  END { printf "" > (old ".out"); for (key in value) print key "\\t" value[key] > (old ".out"); exit bad ? 65 : 0 }
' || exit
cat "$2.db.out" > "$2.db"; rm "$2.db.out"
`
const STAND_IN_EDITMAP = `#!/bin/sh
[ $# = 4 ] || exit 64
awk -F '\\t' -v gone="$4" 'tolower(gone) != $1' "$3.db" > "$3.db.out" && cat "$3.db.out" > "$3.db"; rm "$3.db.out"
`

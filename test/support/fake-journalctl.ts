/** A stand-in for journalctl that follows a file of JSON entries, for hosts without journald. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SCRIPT = `#!/bin/sh
# usage: sh fake-journalctl DIRECTORY JOURNAL OPTIONS...; leaves its process id and options in DIRECTORY
directory=$1 journal=$2
shift 2
echo $$ >"$directory/pid"
printf '%s\\n' "$@" >"$directory/arguments"
from=1 follow=
for option; do
  case $option in
  -f) follow=-f ;;
  --cursor=*)
    at=$(grep -nF "\\"__CURSOR\\":\\"\${option#--cursor=}\\"" "$journal" | cut -d: -f1)
    if [ -z "$at" ]; then
      echo 'Failed to seek to cursor: Invalid argument' >&2
      exit 1
    fi
    from=$at
    ;;
  esac
done
exec tail -n "+$from" $follow "$journal"
`

/** The command of a stand-in that follows the entries in the file `journal`. It leaves `pid` and `arguments` in `directory`. */
export function fakeJournalctl(directory: string, journal: string): string[] {
  const script = join(directory, 'fake-journalctl')
  writeFileSync(script, SCRIPT)
  return ['/bin/sh', script, directory, journal]
}

/** One entry as `journalctl -o json` prints it. Its cursor is `s=a;i=<number>`. */
export function journalEntry(number: number, message: string): string {
  const __CURSOR = `s=a;i=${number}`
  const __REALTIME_TIMESTAMP = String((1_795_000_000 + number) * 1_000_000)
  return `${JSON.stringify({ __CURSOR, __REALTIME_TIMESTAMP, MESSAGE: message, _UID: '0', SYSLOG_IDENTIFIER: 'dovecot' })}\n`
}

/** Paths that can stand in any MTA's configuration, and in a unit of systemd, as they are. */
import type { Trouble } from './plan.ts'

/** Letters that none of them gives a meaning to. */
const PLAIN = /^[\w/.+-]+$/

/** A path that would have to be quoted, in each place in its own way, is left to the operator: as it is it could be read as more than a path. */
export function pathTroubles(path: string, place: string): Trouble[] {
  if (PLAIN.test(path)) return []
  const mends = ['give it a path of letters, digits, and - . _ / + in popauthd.yaml']
  return [
    { text: `${path} cannot stand in ${place} as it is: it holds other characters than those of plain names`, mends },
  ]
}

/** Paths that can stand in any MTA's configuration as they are. */
import type { Trouble } from './plan.ts'

/** Letters that no MTA gives a meaning to. */
const PLAIN = /^[\w/.+-]+$/

/** A path that would have to be quoted, each MTA in its own way, is left to the operator. */
export function pathTroubles(path: string, place: string): Trouble[] {
  if (PLAIN.test(path)) return []
  const mends = ['give the map in popauthd.yaml a path of letters, digits, and - . _ / +']
  return [
    { text: `${path} cannot stand in ${place} as it is: it holds other characters than those of plain names`, mends },
  ]
}

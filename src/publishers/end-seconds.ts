/** Ends of authorizations for copies that carry them: whole seconds, never later than the table says. */

/** Stands for "without end" where a number is needed: the largest of 32 bits, 7 February 2106. */
export const WITHOUT_END_SECONDS = 4_294_967_295

/**
 * Unix time in seconds from which on the address may relay no more (`now < end` may). What the table ends within a second ends at its beginning.
 * `untilMs` undefined: without end.
 */
export function endSeconds(untilMs: number | undefined): number {
  return untilMs === undefined ? WITHOUT_END_SECONDS : Math.min(WITHOUT_END_SECONDS, Math.floor(untilMs / 1000))
}

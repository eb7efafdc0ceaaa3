/**
 * The same scenes for every way to attach an MTA, and its row in docs/mtas.md.
 *
 * To add one: a test file in test/e2e that calls `describeAttachment` with a
 * {@link LiveAttachment} (the MTA asks popauthd), for instance
 *
 *     describeAttachment({
 *       kind: 'live', mta: 'Exim', form: 'readsocket', page: 'exim.md',
 *       start: async (lab) => {
 *         ...                                   // starts the MTA with the text of the page, see page-blocks.ts and startMta
 *         return { config: { lookups: [{ protocol: 'readsocket', socket, group }] } }
 *       },
 *       refused: '550',
 *       expected: { hung: '451', killed: '451', restarted: '250 / 451', stopped: '451' },
 *     })
 *
 * or a {@link FileAttachment} (it reads a map that popauthd keeps):
 *
 *     describeAttachment({
 *       kind: 'file', mta: 'Exim', form: 'host list', page: 'exim.md',
 *       start: async (lab) => ({
 *         config: { maps: [{ format: 'exim_list', path }] },
 *         restart,                              // starts the MTA, or ends it and starts it again
 *         files: [path],                        // removed for the scene "no map", made anew by popauthd
 *       }),
 *       refused: '550',
 *       expected: { missing: '550, local 250', mended: '250' },
 *     })
 *
 * `expected` says what differs from the common case; a cell is one answer, or `NEW / OPEN` where a session that was open before is told something
 * else than a new one. An IPv6 that the MTA does not have is `ipv6: 'no connection'`. Scenes of the attachment's own are defined in the second
 * argument; they come after the others, popauthd runs then, and 198.51.100.20 to .29 are theirs.
 *
 * The last test holds the row in docs/mtas.md against what was seen. With POPAUTHD_WRITE_DOCS=1 in the environment it is written there instead:
 * `POPAUTHD_WRITE_DOCS=1 npx vitest run --project e2e test/e2e/t-18-mtas`. A row whose scenes were not all seen as expected is not written.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labAvailability } from './lab-availability.ts'
import type { Attachment } from './mta-attachment.ts'
import { fileScenes } from './mta-file-scenes.ts'
import { liveScenes } from './mta-live-scenes.ts'
import { Stage } from './mta-stage.ts'
import { MTAS_PAGE, nameOf, rowOf, rowsIn, writeRow } from './mta-table.ts'

/** Defines all scenes of an attachment as tests; `more` defines further ones. */
export function describeAttachment(attachment: Attachment, more: (stage: Stage) => void = () => {}): void {
  const unavailable = labAvailability()
  const name = `${attachment.mta}, ${attachment.form}`
  describe.skipIf(unavailable)(`${name}${unavailable ? ` (skipped: ${unavailable})` : ''}`, () => {
    const stage = new Stage(attachment)
    beforeAll(() => stage.open())
    afterAll(() => stage[Symbol.asyncDispose]())
    if (attachment.kind === 'live') liveScenes(stage)
    else fileScenes(stage, attachment)
    more(stage)
    it('is in docs/mtas.md as it was seen', async () => {
      const row = rowOf(attachment, stage.seen)
      if (process.env.POPAUTHD_WRITE_DOCS === '1') await writeRow(attachment.kind, row)
      const rows = rowsIn(readFileSync(MTAS_PAGE, 'utf8'), attachment.kind)
      const written = rows.filter((other) => nameOf(other) === nameOf(row))
      expect(written, 'after a change that is meant, run this with POPAUTHD_WRITE_DOCS=1').toEqual([row])
    })
  })
}

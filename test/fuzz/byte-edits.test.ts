/** Seeded edits of the bytes of all samples: no exception, and no login but what a re-check of the origin of each byte confirms. */
import { expect, it } from 'vitest'
import { rounds, SEED } from '../support/effort.ts'
import { applyEdits, type Edit, leastEdits, randomEdits } from './support/edits.ts'
import { doubtAbout } from './support/origin.ts'
import { Random } from './support/random.ts'
import { logOf, type SampleLog, sampleLogs, scanLog } from './support/sample-logs.ts'

const logs = sampleLogs.map((sample) => ({ sample, bytes: logOf(sample), text: logOf(sample).toString('latin1') }))
const fragments = sampleLogs.flatMap(({ lines }) => lines.map((line) => Buffer.from(line)))

/** What is wrong with what comes out of the log after these edits. */
function trouble(sample: SampleLog, bytes: Buffer, text: string, edits: readonly Edit[]): string | undefined {
  const edited = applyEdits(bytes, edits)
  try {
    const { logins } = scanLog(edited.bytes, sample.format)
    return logins.map((login) => doubtAbout(login, sample, text, edited)).find((doubt) => doubt !== undefined)
  } catch (error) {
    return `it throws ${error}`
  }
}

it('lets nothing come out of edited samples that is not of the genuine lines', () => {
  const random = new Random(SEED)
  for (const round of rounds('byte edits', 25_000, 0.3)) {
    const { sample, bytes, text } = random.pick(logs)
    const edits = randomEdits(random, bytes, fragments)
    const found = trouble(sample, bytes, text, edits)
    if (found === undefined) continue
    const least = leastEdits(edits, (some) => trouble(sample, bytes, text, some) !== undefined)
    const line = applyEdits(bytes, least).bytes.toString('latin1')
    expect.fail(
      `round ${round} of seed ${SEED}, ${sample.server}: ${trouble(sample, bytes, text, least)}\n` +
        `sample ${JSON.stringify(text)}\nedited ${JSON.stringify(line)}`,
    )
  }
})

import { isDeepStrictEqual } from 'node:util'
import { byteByByte, type Played, play, playInARow } from '../support/played-response.js'
import { seeded } from '../support/random.js'
import { type Answer, below, type Random, randomAnswer, randomCuts, validAnswer } from './answer.js'
import { differences } from './differences.js'
import { type Heard, hear } from './node-client.js'

/** Number of responses that follow each other on one connection. */
const IN_A_ROW = 3

const PARTS = ['heads', 'body', 'end', 'trailers', 'keepsAlive'] as const

/** Counts how often each allowed difference was met. */
export type Met = Map<string, number>

/** Plays the case of a seed. Throws an error that shows the seed and the bytes if something is wrong. */
export async function runCase(seed: number, met: Met): Promise<void> {
  const random = seeded(seed)
  const answer = randomAnswer(random)
  const bytes = Buffer.from(answer.text, 'latin1')
  try {
    const ours = sameForEveryCut(random, bytes, answer)
    const node = await hear(randomCuts(random, bytes), answer)
    compare(answer, ours, node, met)
    followEachOther(random)
  } catch (error) {
    const { method, isUpgrade, text } = answer
    const request = isUpgrade ? `${method} with an upgrade` : method
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${request}: ${JSON.stringify(text)}`, {
      cause: error,
    })
  }
}

/** What our parser says must not depend on the cuts, nor on where the limit of bytes is met. */
function sameForEveryCut(random: Random, bytes: Buffer, answer: Answer): Played {
  const whole = play([bytes], answer)
  const cuts = randomCuts(random, bytes)
  expectSame(play(cuts, answer), whole, 'cut')
  if (random() < 0.2) expectSame(play(byteByByte(bytes), answer), whole, 'byte by byte')
  const limited = { ...answer, maxHeadBytes: 1 + below(random, 2 * bytes.length + 1) }
  expectSame(play(cuts, limited), play([bytes], limited), `limited to ${limited.maxHeadBytes}, cut`)
  return whole
}

function expectSame(played: Played, whole: Played, how: string): void {
  if (!isDeepStrictEqual(played, whole)) {
    throw new Error(`${how}: ${JSON.stringify(played)}\nwhole: ${JSON.stringify(whole)}`)
  }
}

function compare(answer: Answer, ours: Played, node: Heard, met: Met): void {
  const differs = PARTS.filter((part) => !isSame(part, ours, node))
  if (differs.length === 0) return
  const allowed = differences.find((one) => one.explains({ answer, ours, node, differs }))
  if (!allowed) {
    throw new Error(`${differs} differ\nours: ${JSON.stringify(ours)}\nnode: ${JSON.stringify(node)}`)
  }
  met.set(allowed.name, (met.get(allowed.name) ?? 0) + 1)
}

function isSame(part: (typeof PARTS)[number], ours: Played, node: Heard): boolean {
  // Nobody asks whether a connection is kept on which a response was not complete.
  if (part === 'keepsAlive' && ours.end !== 'end') return true
  return isDeepStrictEqual(ours[part], node[part])
}

/** Responses on one connection must not get each other's bytes. */
function followEachOther(random: Random): void {
  const answers = Array.from({ length: IN_A_ROW }, (_, i) =>
    validAnswer(random, `<${i}>`.repeat(1 + below(random, 30))),
  )
  const bytes = Buffer.from(answers.map(({ text }) => text).join(''), 'latin1')
  const alone = answers.map((answer) => play([Buffer.from(answer.text, 'latin1')], answer))
  const together = playInARow(randomCuts(random, bytes), answers)
  if (!isDeepStrictEqual(together, alone)) {
    throw new Error(`together: ${JSON.stringify(together)}\nalone: ${JSON.stringify(alone)}`)
  }
}

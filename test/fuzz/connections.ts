import { isDeepStrictEqual } from 'node:util'
import { type Played, play } from '../support/played-response.js'
import { seeded } from '../support/random.js'
import { type Answer, below, type Random, randomAnswer, validAnswer } from './answer.js'
import type { Received, Sending, Wire } from './wire.js'

/** Largest number of writes in which a response is sent. */
const MOST_WRITES = 6

/**
 * Plays the case of a seed on the gateway's connections, which must say what the parser alone says.
 * @param wasKept whether a connection is kept from earlier cases
 * @returns whether one is kept now
 */
export async function runOnWire(wire: Wire, seed: number, wasKept: boolean): Promise<boolean> {
  const random = seeded(seed)
  const answer = random() < 0.1 ? largeAnswer(random) : randomAnswer(random)
  const bytes = Buffer.from(answer.text, 'latin1')
  const alone = play([bytes], answer)
  const sending = sendingOf(random, bytes, alone)
  const received = await wire.ask(answer, sending)
  const isReset = sending.ending === 'reset'
  const expected: Received = {
    heads: alone.heads,
    body: alone.body,
    end: isReset ? 'cut' : alone.end,
    trailers: isReset ? {} : alone.trailers,
    left: alone.end === 'switch' ? alone.left : '',
    isReused: wasKept && !answer.isUpgrade,
  }
  if (!isDeepStrictEqual(received, expected)) {
    const { method, text } = answer
    throw new Error(
      `seed ${seed} on a connection: ${JSON.stringify(received)}\nexpected: ${JSON.stringify(expected)}\n${method}, ${sending.ending}: ${JSON.stringify(text)}`,
    )
  }
  // A request for an upgrade does not touch the connection that is kept.
  return answer.isUpgrade ? wasKept : sending.ending === 'keep' && isKept(alone)
}

/** Returns a response whose body is larger than what is read at a time. */
function largeAnswer(random: Random): Answer {
  return validAnswer(random, `<${below(random, 1000)}>`.repeat(20_000 + below(random, 60_000)))
}

function isKept({ end, keepsAlive, left }: Played): boolean {
  return end === 'end' && keepsAlive && left === ''
}

function sendingOf(random: Random, bytes: Buffer, alone: Played): Sending {
  const needsEnd = alone.end === 'cut' || alone.end === 'switch' || alone.endsWithConnection
  const isReset = alone.endsWithConnection && alone.end === 'end' && random() < 0.3
  return {
    // Bytes that come later than the end of a response could as well belong to the next one.
    pieces: alone.end === 'end' && alone.left !== '' ? [bytes] : writes(random, bytes),
    ending: isReset ? 'reset' : needsEnd ? 'end' : 'keep',
    bodyBytes: alone.body.length,
    heads: alone.heads.length,
  }
}

function writes(random: Random, bytes: Buffer): Buffer[] {
  const cuts = Array.from({ length: below(random, MOST_WRITES) }, () => below(random, bytes.length + 1))
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length]
  const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i], end))
  return pieces.filter(({ length }) => length > 0)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

/** Milliseconds after which it is told what was seen, instead of looking on until the file is cut. */
const TIMEOUT_MS = 60_000
/** Milliseconds between two looks. Without a pause looking would keep the processors from what is waited for. */
const PAUSE_MS = 5

/**
 * Looks again and again until what is seen is as wanted; for what no event tells. It has to stay so until the test goes
 * on: what comes and goes by itself is missed by who looks too late.
 */
export async function until<T>(look: () => T | Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  const began = performance.now()
  for (;;) {
    const seen = await look()
    if (wanted(seen)) return seen
    if (performance.now() - began > TIMEOUT_MS) {
      throw new Error(`not so after ${TIMEOUT_MS / 1000} s; seen last: ${inspect(seen, { depth: 5 })}`)
    }
    await sleep(PAUSE_MS)
  }
}

import { setImmediate } from 'node:timers/promises'

/**
 * Number of items that are serialised in one turn of the event loop, which takes 1 to 2 milliseconds. The gateway
 * serves requests between two turns.
 */
export const ITEMS_PER_TURN = 100

/** Yields items as pieces of one JSON array, brackets included. */
export async function* jsonList(items: Iterable<unknown>): AsyncGenerator<string> {
  let pieces: string[] = []
  let start = '['
  for (const item of items) {
    pieces.push(JSON.stringify(item))
    if (pieces.length < ITEMS_PER_TURN) continue
    yield start + pieces.join()
    await setImmediate()
    pieces = []
    start = ','
  }
  if (pieces.length > 0) yield start + pieces.join()
  else if (start === '[') yield start
  yield ']'
}

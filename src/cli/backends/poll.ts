import { setTimeout } from 'node:timers/promises'

/** Milliseconds between two requests for the state of a backend for which a command waits. */
const POLL_INTERVAL_MS = 200

/** Waits until it is time to ask for the state of a backend again. */
export function untilNextPoll(): Promise<void> {
  return setTimeout(POLL_INTERVAL_MS)
}

import type { Socket } from 'node:net'
import type { Clock } from '../../../balancer/time/clock.js'

/** Milliseconds between two checks. A shutdown waits for a tunnel through which bytes have passed within this time. */
const CHECK_INTERVAL_MS = 500

/** Options that say when a tunnel without progress has stalled. */
export interface StallOptions {
  /** Longest time in milliseconds without progress; 0 for no limit. */
  timeout: number
  clock: Clock
  /** Returns true if the gateway is shutting down and waits only for tunnels that still make progress. */
  isShuttingDown(): boolean
}

/**
 * Watches a tunnel if one side has ended its half, or does not read what the other side sends. Usually one of the sides
 * has vanished then, and the end of the other side is noticed only once all bytes before it are read. Bytes that
 * arrive, and bytes that leave towards a slow reader, count as progress.
 * @param onStalled called once, when there was no progress for too long
 * @param onWell called once, when both halves are open and everything was read after all
 * @returns a function that ends the watch
 */
export function watchForStall(
  ends: readonly Socket[],
  { timeout, clock, isShuttingDown }: StallOptions,
  onStalled: () => void,
  onWell: () => void,
): () => void {
  const interval = timeout > 0 ? Math.min(CHECK_INTERVAL_MS, timeout) : CHECK_INTERVAL_MS
  let lastBytes = bytesPassed(ends)
  let stalledFor = 0
  const check = () => {
    const isHalfClosed = ends.some((end) => end.readableEnded)
    if (!isHalfClosed && !ends.some((end) => end.writableNeedDrain)) return onWell()
    const bytes = bytesPassed(ends)
    stalledFor = bytes === lastBytes ? stalledFor + interval : 0
    lastBytes = bytes
    const limit = isHalfClosed && isShuttingDown() ? interval : timeout
    if (limit > 0 && stalledFor >= limit) onStalled()
    else cancel = clock.after(interval, check)
  }
  let cancel = clock.after(interval, check)
  return () => cancel()
}

/** Returns the number of bytes that arrived at both ends, plus the bytes that were handed to the system for sending. */
function bytesPassed(ends: readonly Socket[]): number {
  let bytes = 0
  for (const { bytesRead, bytesWritten, writableLength } of ends) {
    bytes += bytesRead + (bytesWritten ?? 0) - writableLength
  }
  return bytes
}

import type { Socket } from 'node:net'
import type { Clock } from '../../../balancer/time/clock.js'

/** Milliseconds between two looks; a shutdown waits for a tunnel that was silent for less. */
const LOOK_INTERVAL_MS = 500

/** When a tunnel that does not go on has been silent for long enough. */
export interface Patience {
  /** Milliseconds; 0 for any. */
  silence: number
  clock: Clock
  /** Whether the gateway shuts down, and waits for nothing that it need not wait for. */
  isShuttingDown(): boolean
}

/**
 * Watches a tunnel of which one side has ended its half, or does not read what the other one says: mostly a side is
 * gone, and behind what nobody reads no end is seen. Whatever passes, or is written to who reads slowly, is a sign of life.
 * @param onSilent called once, when there was none for too long
 * @param onOpen called once, when it turns out that both halves are open and everything has been read
 * @returns watches no more
 */
export function watchHalfClosed(
  ends: readonly Socket[],
  { silence, clock, isShuttingDown }: Patience,
  onSilent: () => void,
  onOpen: () => void,
): () => void {
  const pause = silence > 0 ? Math.min(LOOK_INTERVAL_MS, silence) : LOOK_INTERVAL_MS
  let seen = passedOn(ends)
  let silentFor = 0
  const look = () => {
    const isHalfClosed = ends.some((end) => end.readableEnded)
    if (!isHalfClosed && !ends.some((end) => end.writableNeedDrain)) return onOpen()
    const now = passedOn(ends)
    silentFor = now === seen ? silentFor + pause : 0
    seen = now
    const limit = isHalfClosed && isShuttingDown() ? pause : silence
    if (limit > 0 && silentFor >= limit) onSilent()
    else cancel = clock.after(pause, look)
  }
  let cancel = clock.after(pause, look)
  return () => cancel()
}

/** Bytes that came, and those that have left for good. */
function passedOn(ends: readonly Socket[]): number {
  let bytes = 0
  for (const { bytesRead, bytesWritten, writableLength } of ends) {
    bytes += bytesRead + (bytesWritten ?? 0) - writableLength
  }
  return bytes
}

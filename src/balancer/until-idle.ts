import type { Clock } from './time/clock.js'

/** Interval between two looks at whether requests are in flight: other threads do not tell when theirs end. */
const LOOK_INTERVAL_MS = 50

/**
 * Waits until there are no requests.
 * @param timeout milliseconds
 * @returns false if there are requests still after that time
 */
export function untilIdle(isIdle: () => boolean, timeout: number, clock: Clock): Promise<boolean> {
  const deadline = clock.now() + timeout
  return new Promise((resolve) => {
    const look = () => {
      const left = deadline - clock.now()
      if (isIdle()) resolve(true)
      else if (left <= 0) resolve(false)
      else clock.after(Math.min(LOOK_INTERVAL_MS, left), look)
    }
    look()
  })
}

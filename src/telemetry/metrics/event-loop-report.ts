import { poolColumn } from '../../balancer/threads/table.js'
import type { Clock } from '../../balancer/time/clock.js'
import { EventLoopDelay } from '../event-loop-delay.js'

const INTERVAL_MS = 1000

/**
 * Writes once in a second how busy the event loop of this worker is.
 * @param column the worker's numbers for the pool; see `poolColumn`
 * @returns a function that ends the reports
 */
export function reportEventLoop(column: Float64Array, clock: Clock): () => void {
  const delay = new EventLoopDelay()
  let last = performance.eventLoopUtilization()
  let cancel = () => {}
  const report = () => {
    const now = performance.eventLoopUtilization()
    column[poolColumn.eventLoopUtilization] = performance.eventLoopUtilization(now, last).utilization
    column[poolColumn.eventLoopDelay] = Math.max(0, delay.read())
    last = now
    cancel = clock.after(INTERVAL_MS, report)
  }
  cancel = clock.after(INTERVAL_MS, report)
  return () => {
    cancel()
    delay.stop()
  }
}

import type { Socket } from 'node:net'
import type { Balancer } from '../../balancer/balancer.js'
import { StoppedError } from '../../balancer/errors.js'
import { systemClock } from '../../balancer/time/clock.js'
import { pendingOn } from '../../proxy/downstream/connection/pipeline.js'
import type { TrafficListeners } from './traffic-listeners.js'

/**
 * Time that a connection without a request stays open when the gateway closes. A busy client sends its next request
 * within that time, and the response says that the connection closes. If the connection were cut at once, as Node does,
 * the client's next request could be lost.
 */
const IDLE_GRACE_MS = 1000
/** Interval in which idle connections are looked for. */
const IDLE_CHECK_INTERVAL_MS = 50
/** Time to write the last responses after the time limit of a shutdown. */
const LAST_RESPONSES_MS = 50
/**
 * Accepts no new connection, waits until all requests are over, and cuts the remaining ones at the time limit.
 * @param timeout milliseconds
 * @returns how many requests were cut
 */
export async function finishRequests(
  listeners: TrafficListeners,
  pools: () => Iterable<Balancer>,
  timeout: number,
): Promise<number> {
  let cut = 0
  for (const pool of pools()) pool.startClosing()
  const closed = listeners.stop()
  const cancelDeadline = systemClock.after(timeout, () => {
    let pending = 0
    for (const socket of listeners.connections()) pending += pendingOn(socket)
    // The larger number counts: a client may still read a response that its backend has finished, and a backend may
    // still work for a client that left.
    let held = 0
    for (const { registry } of pools()) for (const { leases } of registry.list()) held += leases.held
    cut = Math.max(pending, held)
    for (const pool of pools()) pool.stop(new StoppedError('the gateway shut down'))
    // Requests that can still be answered get a response.
    setTimeout(() => {
      for (const socket of listeners.connections()) socket.destroy()
    }, LAST_RESPONSES_MS)
  })
  const reaper = closeIdle(listeners)
  await closed
  clearInterval(reaper)
  cancelDeadline()
  return cut
}

/** Closes each connection that has been without a request for {@link IDLE_GRACE_MS}. */
function closeIdle(listeners: TrafficListeners): NodeJS.Timeout {
  const idle = new Map<Socket, { since: number; bytesRead: number }>()
  return setInterval(() => {
    const now = performance.now()
    for (const socket of listeners.connections()) {
      const { bytesRead } = socket
      const known = idle.get(socket)
      if (pendingOn(socket) > 0) idle.delete(socket)
      // A connection that is sending the head of a request may take HEADERS_TIMEOUT for it.
      else if (known?.bytesRead !== bytesRead) idle.set(socket, { since: now, bytesRead })
      else if (now - known.since >= IDLE_GRACE_MS) socket.destroySoon()
    }
  }, IDLE_CHECK_INTERVAL_MS)
}

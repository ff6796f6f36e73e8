import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Arrival } from './arrivals.js'

export type Ending = 'ok' | 'failed' | 'timed out'

export interface LoadOptions {
  url: string
  /** In order of time. */
  arrivals: Iterable<Arrival>
  /** GET unless said otherwise; a POST has a small body. */
  method?: 'GET' | 'POST'
  /** Milliseconds after which a client gives up. */
  timeout: number
  /** When the load starts, by performance.now(); now unless said otherwise. */
  start?: number
  signal: AbortSignal
  onProgress?: (elapsed: number) => void
  /** Called for each request, with how long after it was due it ended and was sent, in milliseconds. */
  onEnd?: (arrival: Arrival, ending: Ending, latency: number, lateness: number) => void
}

export interface LoadResult {
  sent: number
  /** Answers other than 200, and broken connections. */
  failed: number
  timedOut: number
  /** Microseconds from the moment a request was due, of answers and of those that were given up. */
  latency: RecordableHistogram
}

/**
 * An open-loop load: requests are sent when they are due, however many are still unanswered, and their
 * latency counts from then. A closed loop would send less to a slow gateway and so hide how slow it is
 * (https://www.youtube.com/watch?v=lJ8ydIuPFeU, "How NOT to Measure Latency").
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { url, arrivals, method = 'GET', timeout, start = performance.now(), signal } = options
  const agent = new Agent({ pipelining: 1 })
  const result: LoadResult = { sent: 0, failed: 0, timedOut: 0, latency: createHistogram() }
  const running = new Set<Promise<void>>()

  const send = async (arrival: Arrival) => {
    const due = start + arrival.at
    const lateness = performance.now() - due
    result.sent++
    const ending = await answer(url + arrival.path)
    const latency = performance.now() - due
    if (ending === 'failed') result.failed++
    else result.latency.record(Math.max(1, Math.round(latency * 1000)))
    if (ending === 'timed out') result.timedOut++
    options.onEnd?.(arrival, ending, latency, lateness)
  }

  const answer = async (target: string): Promise<Ending> => {
    try {
      const { statusCode, body } = await request(target, {
        dispatcher: agent,
        method,
        body: method === 'POST' ? 'something to do' : null,
        signal: AbortSignal.timeout(timeout),
      })
      await body.dump()
      return statusCode === 200 ? 'ok' : 'failed'
    } catch (error) {
      return (error as Error).name === 'TimeoutError' ? 'timed out' : 'failed'
    }
  }

  for (const arrival of arrivals) {
    for (let wait = 0; ; ) {
      wait = start + arrival.at - performance.now()
      if (wait <= 1 || signal.aborted) break
      options.onProgress?.(performance.now() - start)
      await sleep(wait, undefined, { signal }).catch(() => {})
    }
    if (signal.aborted) break
    const sending = send(arrival).finally(() => running.delete(sending))
    running.add(sending)
  }
  await Promise.all(running)
  await agent.close()
  return result
}

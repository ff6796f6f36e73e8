import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'

export interface LoadOptions {
  url: string
  /** Requests a second, on average; they arrive at random (a Poisson process). */
  rate: number
  /** Milliseconds. */
  duration: number
  /** Milliseconds after which a client gives up. */
  timeout: number
  random: () => number
  signal: AbortSignal
  onProgress?: (elapsed: number) => void
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
  const { url, rate, duration, timeout, random, signal } = options
  const agent = new Agent({ pipelining: 1 })
  const result: LoadResult = { sent: 0, failed: 0, timedOut: 0, latency: createHistogram() }
  const running = new Set<Promise<void>>()
  const start = performance.now()

  const send = async (due: number) => {
    const record = () => result.latency.record(Math.max(1, Math.round((performance.now() - due) * 1000)))
    result.sent++
    try {
      const { statusCode, body } = await request(url, {
        dispatcher: agent,
        signal: AbortSignal.timeout(timeout),
      })
      await body.dump()
      if (statusCode === 200) record()
      else result.failed++
    } catch (error) {
      if ((error as Error).name === 'TimeoutError') {
        result.timedOut++
        record()
      } else {
        result.failed++
      }
    }
  }

  let due = start
  while (due - start < duration && !signal.aborted) {
    const wait = due - performance.now()
    if (wait > 1) {
      options.onProgress?.(performance.now() - start)
      await sleep(wait, undefined, { signal }).catch(() => {})
      continue
    }
    const sending = send(due).finally(() => running.delete(sending))
    running.add(sending)
    due += (-Math.log(1 - random()) / rate) * 1000
  }
  await Promise.all(running)
  await agent.close()
  return result
}

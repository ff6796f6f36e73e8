import { Doorbells } from '../../balancer/threads/doorbell.js'
import { LogRing } from './log-ring.js'
import type { LogStream } from './log-stream.js'
import { LOG_BELL, type LogHandle } from './worker-logs.js'

/**
 * Destination of a worker's log lines: shared memory, from which the main thread writes them to standard output. They
 * are there as soon as they are logged, so that nothing has to be flushed where the worker ends. (`process.stdout` of a
 * worker would send each line to the main thread as a message.)
 */
export function workerLogStream({ ring: buffer, bell }: LogHandle): LogStream {
  const ring = new LogRing(buffer)
  const doorbell = new Doorbells(bell)
  return {
    write(line) {
      if (ring.add(line)) doorbell.ring(LOG_BELL)
    },
    /** Has the main thread write the lines without delay; it does not wait for that. */
    flushSync() {
      if (ring.hurry()) doorbell.ring(LOG_BELL)
    },
    dropped: () => ring.dropped,
  }
}

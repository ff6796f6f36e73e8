import { readdir } from 'node:fs/promises'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { version } from '../version.js'

/** Each of them looks at every connection there is, at each scrape. */
const DEAR = ['nodejs_active_handles', 'nodejs_active_requests', 'nodejs_active_resources']

let known: Registry | undefined

/**
 * Metrics of this process: CPU, memory, garbage collection, delay of the event loop. One for all pools, as some of
 * them watch all the time, and apart from the library's global ones, which are the app's.
 */
function processMetrics(): Registry {
  if (known) return known
  known = new Registry()
  collectDefaultMetrics({ register: known })
  for (const name of DEAR) {
    known.removeSingleMetric(name)
    known.removeSingleMetric(`${name}_total`)
  }
  countFilesAside(known)
  new Gauge({
    name: 'leastwise_build_info',
    help: 'Always 1; the label says which version runs',
    labelNames: ['version'],
    registers: [known],
  }).set({ version }, 1)
  return known
}

/** With 10,000 connections the library's own gauge would keep the event loop for 15 ms at each scrape. */
function countFilesAside(registry: Registry): void {
  const name = 'process_open_fds'
  // It is there where the system tells.
  if (!registry.getSingleMetric(name)) return
  registry.removeSingleMetric(name)
  new Gauge({
    name,
    help: 'Number of open file descriptors.',
    registers: [registry],
    async collect() {
      try {
        // One of them is for looking.
        this.set((await readdir('/proc/self/fd')).length - 1)
      } catch {
        // The last known number serves meanwhile: there may be none left to look with.
      }
    },
  })
}

/** Counts log lines that nobody will read, of a process that writes its log itself. */
export function countDroppedLines(registry: Registry, dropped: () => number): void {
  new Counter({
    name: 'leastwise_log_lines_dropped_total',
    help: 'Log lines for which standard output had no room, or which it failed to take',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(dropped())
    },
  })
}

/** A registry for a page of our own: with the metrics of this process, and room for those of pools. */
export function pageRegistry(): Registry {
  return Registry.merge([processMetrics()])
}

import { readdir } from 'node:fs/promises'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { version } from '../version.js'

/** Default metrics that are left out, because each of them looks at every open connection at each scrape. */
const EXPENSIVE_METRICS = ['nodejs_active_handles', 'nodejs_active_requests', 'nodejs_active_resources']

let known: Registry | undefined

/**
 * Metrics of this process: CPU, memory, garbage collection, delay of the event loop. All pools share one registry,
 * because some of these metrics measure all the time. The registry is not the library's global one, which belongs to
 * the app.
 */
function processMetrics(): Registry {
  if (known) return known
  known = new Registry()
  collectDefaultMetrics({ register: known })
  for (const name of EXPENSIVE_METRICS) {
    known.removeSingleMetric(name)
    known.removeSingleMetric(`${name}_total`)
  }
  countOpenFiles(known)
  new Gauge({
    name: 'leastwise_build_info',
    help: 'Always 1; the label says which version runs',
    labelNames: ['version'],
    registers: [known],
  }).set({ version }, 1)
  return known
}

/**
 * Counts open files without blocking. With 10,000 connections prom-client's own gauge would block the event loop for 15 ms
 * at each scrape.
 */
function countOpenFiles(registry: Registry): void {
  const name = 'process_open_fds'
  // prom-client has this metric only where the system has /proc.
  if (!registry.getSingleMetric(name)) return
  registry.removeSingleMetric(name)
  new Gauge({
    name,
    help: 'Number of open file descriptors.',
    registers: [registry],
    async collect() {
      try {
        // One of the descriptors belongs to the folder that is being read.
        this.set((await readdir('/proc/self/fd')).length - 1)
      } catch {
        // There may be no descriptor left to read the folder with; the last known number stays.
      }
    },
  })
}

/** Adds the counter of dropped log lines, for a process that writes its log itself. */
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

/** A registry for the page `/metrics`: it has the metrics of this process, and takes those of pools. */
export function pageRegistry(): Registry {
  return Registry.merge([processMetrics()])
}

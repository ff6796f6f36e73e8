import { poolNumbers } from '../../balancer/memory.js'
import type { PoolWorkers } from '../../balancer/threads/pool-workers.js'
import { poolColumn } from '../../balancer/threads/table.js'
import { type Family, type MeteredPool, sample } from './family.js'

/** A worker's place in a pool. Its counts are those of all workers that have had the place. */
interface Place {
  workers: PoolWorkers
  worker: number
  /** True if a worker is there now. */
  isTaken: boolean
  /** The numbers of the place for the pool; see `poolColumn`. */
  numbers: Float64Array
}

const requests = poolNumbers.indexOf('requests')

/** The places that any worker has had so far. */
function* placesOf({ balancer: { workers } }: MeteredPool): Generator<Place> {
  if (!workers) return
  const taken = new Set(workers.list.filter(({ takesPart }) => takesPart).map(({ number }) => number))
  for (let worker = 0; worker < workers.limit; worker++) {
    const numbers = workers.table.pool.of(worker, 0)
    if ((numbers[poolColumn.starts] as number) > 0)
      yield { workers, worker, isTaken: taken.has(worker), numbers }
  }
}

/** Makes a family with a line for each worker. @param value undefined for a place that has no line */
function perWorker(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (place: Place) => number | undefined,
): Family {
  return {
    name,
    type,
    help,
    *of(pool) {
      for (const place of placesOf(pool)) {
        const number = value(place)
        if (number !== undefined) yield [sample({ pool: pool.name, worker: `${place.worker}` }, number)]
      }
    },
  }
}

/** Makes a family with a line for each worker that is there now. */
function present(name: string, help: string, value: (place: Place) => number): Family {
  return perWorker('gauge', name, help, (place) => (place.isTaken ? value(place) : undefined))
}

/** The metrics of each worker of a pool that several threads share. */
export const workerFamilies: readonly Family[] = [
  perWorker(
    'counter',
    'leastwise_worker_requests_total',
    'Proxied requests that asked for a backend, by worker thread',
    ({ numbers }) => numbers[requests],
  ),
  perWorker(
    'counter',
    'leastwise_worker_restarts_total',
    'Workers that were started in the place of one that had ended',
    ({ numbers }) => (numbers[poolColumn.starts] as number) - 1,
  ),
  present('leastwise_worker_in_flight', 'Requests of a worker that backends work on', ({ workers, worker }) =>
    workers.inFlightOf({ number: worker }),
  ),
  present(
    'leastwise_worker_event_loop_utilization_ratio',
    "Part of the last second in which a worker's event loop was busy",
    ({ numbers }) => numbers[poolColumn.eventLoopUtilization] as number,
  ),
  present(
    'leastwise_worker_event_loop_delay_seconds',
    'How long the event loop of a worker kept work waiting in the last second',
    ({ numbers }) => (numbers[poolColumn.eventLoopDelay] as number) / 1000,
  ),
]

import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { type Churn, choices, leasesAlone } from './churn.js'

/** What one worker measures: one policy, so that nothing is compiled for more than one, as in a gateway. */
export interface WorkerData {
  /** None for leases alone. */
  policy: string | undefined
  /** True if the counts are in memory that threads share. */
  isShared: boolean
}

export interface Pool {
  size: number
  mixed: boolean
}

export type Question =
  | { measure: 'prepare'; pool: Pool }
  | { measure: 'time' | 'bytes' | 'bytes of picks'; pool: Pool; steps: number }

/**
 * A measurement is many short ones. Most of them are not interrupted by another thread or a collection of
 * garbage, and a median leaves out those that are.
 */
const TIME_SLICES = 5
const BYTES_SLICES = 101
/** Steps after which there is nothing left to compile. */
const COMPILED = 100_000

const { policy, isShared } = workerData as WorkerData
const churns = new Map<string, Churn>()

parentPort?.on('message', (question: Question) => parentPort?.postMessage(answer(question)))

function answer(question: Question): number[] {
  const { size, mixed } = question.pool
  const key = `${size} ${mixed}`
  if (question.measure === 'prepare') {
    churns.set(key, policy === undefined ? leasesAlone(size) : choices(policy, size, mixed, isShared))
    return []
  }
  const churn = churns.get(key)
  if (!churn) throw new Error(`no pool of ${key} was prepared`)
  const { measure, steps } = question
  if (measure === 'time') {
    // Another thread had the caches.
    churn.run(steps)
    return Array.from({ length: TIME_SLICES }, () => time(() => churn.run(steps)) / steps)
  }
  const work = measure === 'bytes' ? () => churn.run(steps) : () => churn.pick(steps)
  // What is compiled allocates less.
  for (let i = 0; i < COMPILED / steps; i++) work()
  return Array.from({ length: BYTES_SLICES }, () => bytes(work) / steps)
}

/** Nanoseconds. */
function time(work: () => void): number {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start)
}

/** Bytes that the heap grows by. */
function bytes(work: () => void): number {
  const before = getHeapStatistics().used_heap_size
  work()
  return getHeapStatistics().used_heap_size - before
}

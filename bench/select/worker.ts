import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { type Churn, choices, leasesAlone } from './churn.js'

/** What one worker measures: one policy, so that nothing is compiled for more than one, as in a gateway. */
export interface WorkerData {
  /** None for leases alone. */
  policy: string | undefined
}

export interface Pool {
  size: number
  mixed: boolean
}

export type Question =
  | { measure: 'time' | 'bytes'; pool: Pool; steps: number }
  | { measure: 'prepare'; pool: Pool }

/**
 * A measurement is many short ones. Most of them are not interrupted by another thread or a collection of
 * garbage, and a median leaves out those that are.
 */
const TIME_SLICES = 5
const BYTES_SLICES = 101

const { policy } = workerData as WorkerData
const churns = new Map<string, Churn>()

parentPort?.on('message', (question: Question) => parentPort?.postMessage(answer(question)))

function answer(question: Question): number[] {
  const { size, mixed } = question.pool
  const key = `${size} ${mixed}`
  if (question.measure === 'prepare') {
    churns.set(key, policy === undefined ? leasesAlone(size) : choices(policy, size, mixed))
    return []
  }
  const churn = churns.get(key)
  if (!churn) throw new Error(`no pool of ${key} was prepared`)
  const { measure, steps } = question
  // Another thread had the caches, or nothing is compiled yet.
  churn.run(measure === 'time' ? steps : 10 * steps)
  const slices = measure === 'time' ? TIME_SLICES : BYTES_SLICES
  return Array.from({ length: slices }, () => (measure === 'time' ? time(churn, steps) : bytes(churn, steps)))
}

/** Nanoseconds a step. */
function time(churn: Churn, steps: number): number {
  const start = process.hrtime.bigint()
  churn.run(steps)
  return Number(process.hrtime.bigint() - start) / steps
}

/** Bytes that the heap grows by with each step. */
function bytes(churn: Churn, steps: number): number {
  const before = getHeapStatistics().used_heap_size
  churn.run(steps)
  return (getHeapStatistics().used_heap_size - before) / steps
}

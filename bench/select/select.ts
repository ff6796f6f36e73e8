import { once, setMaxListeners } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type PolicyName, policyNames } from '../../src/balancer/selection/policies/index.js'
import { ROW_COUNT } from '../../src/balancer/threads/table.js'
import { type CrowdRow, FEW, MANY, measureCrowds } from './crowds.js'
import type { Pool, Question, WorkerData } from './worker.js'

/** Backends of a pool. */
const SIZES = [3, 10, 30, 300, 1000, 10_000]
/** The largest pool is compared with that of this size. */
export const SMALL = 10
/** Steps between two looks at the heap. */
const COUNTED_STEPS = 1000
/** Bytes of a number on the heap, the time that a pick reads, and what measuring it adds. */
const A_NUMBER = 17

export interface SelectOptions {
  /** Backends of the pools, from small to large, 10 among them; 3 to 10,000 by default. */
  sizes?: readonly number[]
  /** Rounds of five measurements, of all of which the median counts; 9 by default, after one that warms up. */
  rounds?: number
  /** Choices in each measurement; 2,000 by default. */
  steps?: number
  /** Ends it. */
  signal?: AbortSignal
  onProgress?: (done: number, total: number, what: string) => void
}

export interface SelectRow {
  /** None for leases alone, without a pool and a choice. */
  policy: PolicyName | undefined
  /** Whether weights from 1 to 8 are mixed; equal otherwise. */
  mixed: boolean
  /** Whether the counts are in memory that threads share. */
  isShared: boolean
  /** Median nanoseconds of a choice, its lease, and what the answer changes, by size of the pool. */
  times: { size: number; nanoseconds: number }[]
  /** Time in the largest pool, in times in a pool of 10. */
  ratio: number
  /** Bytes that one of them leaves on the heap, its lease included. */
  bytes: number
  /** Bytes that the pick alone leaves there; 16 of them are the time that it reads from the clock. */
  pickBytes: number
}

/** Something that should be so, and whether it was. */
export interface Goal {
  name: string
  value: number
  limit: number
  holds: boolean
}

export interface Selected {
  rounds: number
  steps: number
  rows: SelectRow[]
  crowds: CrowdRow[]
  goals: Goal[]
}

/** Measures what a choice costs, with a real clock, in pools of all sizes. */
export async function select(options: SelectOptions = {}): Promise<Selected> {
  const { sizes = SIZES, rounds = 9, steps = 2000, signal, onProgress } = options
  signal?.throwIfAborted()
  if (signal) setMaxListeners(0, signal)
  const subjects: Subject[] = []
  try {
    for (const policy of [undefined, ...policyNames]) {
      for (const mixed of policy === undefined ? [false] : [false, true])
        subjects.push(subject({ policy, mixed, isShared: false }, sizes, signal))
    }
    // A table in shared memory has room for fewer backends than the largest pool has.
    const sharedSizes = sizes.filter((size) => size < ROW_COUNT)
    for (const mixed of [false, true]) {
      subjects.push(subject({ policy: 'least-connections', mixed, isShared: true }, sharedSizes, signal))
    }
    const total = sizes.length * (rounds + 2) + 2
    let done = 0
    const step = (what: string) => onProgress?.(++done, total, what)
    for (const size of sizes) {
      await Promise.all(subjects.map((one) => one.prepare(size)))
      step(`pools of ${size}`)
    }
    // Rivals take turns, so that what else this machine does meets all alike.
    for (let round = 0; round <= rounds; round++) {
      for (const size of sizes) {
        for (const one of subjects) await one.time(size, steps, round > 0)
        step(round === 0 ? 'warming up' : `round ${round} of ${rounds}`)
      }
    }
    const rows: SelectRow[] = []
    for (const one of subjects) rows.push(await one.row())
    step('counting bytes')
    const crowds = await measureCrowds(rounds, steps, signal)
    step('crowds')
    return { rounds, steps, rows, crowds, goals: goalsOf(rows, sizes.at(-1) ?? SMALL, crowds) }
  } finally {
    await Promise.all(subjects.map((one) => one.end()))
  }
}

interface Subject {
  prepare(size: number): Promise<void>
  time(size: number, steps: number, counts: boolean): Promise<void>
  row(): Promise<SelectRow>
  end(): Promise<unknown>
}

function subject(
  { policy, mixed, isShared }: Pick<SelectRow, 'policy' | 'mixed' | 'isShared'>,
  sizes: readonly number[],
  signal: AbortSignal | undefined,
): Subject {
  const workerData: WorkerData = { policy, isShared }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData,
    // Room for what is counted, between two collections.
    resourceLimits: { maxYoungGenerationSizeMb: 96 },
  })
  const samples = new Map<number, number[]>(sizes.map((size) => [size, []]))
  const ask = async (question: Question): Promise<number[]> => {
    worker.postMessage(question)
    const [answer] = (await once(worker, 'message', { signal })) as [number[]]
    return answer
  }
  const pool = (size: number): Pool => ({ size, mixed })
  const median = (size: number) => medianOf(samples.get(size) ?? [])
  const largest = sizes.at(-1) ?? SMALL
  return {
    async prepare(size) {
      if (!samples.has(size)) return
      await ask({ measure: 'prepare', pool: pool(size) })
    },
    async time(size, steps, counts) {
      if (!samples.has(size)) return
      const nanoseconds = await ask({ measure: 'time', pool: pool(size), steps })
      if (counts) samples.get(size)?.push(...nanoseconds)
    },
    async row() {
      return {
        policy,
        mixed,
        isShared,
        times: sizes.map((size) => ({ size, nanoseconds: median(size) })),
        ratio: median(largest) / median(SMALL),
        bytes: medianOf(await ask({ measure: 'bytes', pool: pool(SMALL), steps: COUNTED_STEPS })),
        pickBytes: medianOf(
          await ask({ measure: 'bytes of picks', pool: pool(SMALL), steps: COUNTED_STEPS }),
        ),
      }
    },
    end: () => worker.terminate(),
  }
}

function goalsOf(rows: readonly SelectRow[], largest: number, crowds: readonly CrowdRow[]): Goal[] {
  const lease = rows.find(({ policy }) => policy === undefined)
  const exact = rows.find((row) => row.policy === 'least-connections' && !row.mixed && !row.isShared)
  if (!lease || !exact) return []
  const at = (row: SelectRow, size: number) =>
    row.times.find((time) => time.size === size)?.nanoseconds ?? Number.NaN
  const beside = (size: number) => at(exact, size) - at(lease, size)
  const name = `least-connections, ${largest} backends: times the cost with ${SMALL}`
  return [
    goal(name, exact.ratio, 5),
    goal(`${name}, beside the lease alone`, beside(largest) / beside(SMALL), 5),
    goal('least-connections: bytes that a pick leaves on the heap', exact.pickBytes, A_NUMBER),
    ...crowds.map(({ name, ratio }) => goal(`${MANY} ${name}: times the cost with ${FEW}`, ratio, 5)),
  ]
}

function goal(name: string, value: number, limit: number): Goal {
  return { name, value, limit, holds: value <= limit }
}

function medianOf(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

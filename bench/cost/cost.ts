import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { findPeers } from '../peers/find.js'
import { startScript, stop } from './child.js'
import { type Cores, chooseCores } from './cores.js'
import { processTree } from './cpu-time.js'
import type { Order, Sample } from './load.js'
import { features, type Running, rivalOf, rivals } from './rivals.js'

export interface CostOptions {
  /** Rounds that count; each measures every rival once, in an order of its own. One before them warms up. */
  rounds?: number
  /** Milliseconds of each measurement. */
  duration?: number
  /** Kept connections of the clients. */
  connections?: number
  /** Requests a second; undefined for as many as each rival answers. */
  rate?: number | undefined
  /** Whether what each feature costs is measured, too. */
  withFeatures?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

/** What a rival took in each round, in the order of the rounds. */
export interface CostRow {
  name: string
  /** Microseconds of CPU for a request. */
  cost: number[]
  /** Requests a second. */
  rate: number[]
  /** Part of its core that it used. */
  busy: number[]
  /** Requests that found every connection in use, where they came at a rate. */
  late: number
}

export interface CostResult {
  rows: CostRow[]
  /** Software that is not installed here. */
  missing: string[]
  cores: Cores | undefined
  connections: number
  rate: number | undefined
  rounds: number
  duration: number
}

/** Milliseconds under load before it is measured. */
const LEAD = 200
/** Milliseconds of the round that warms up, in which code is compiled: that costs many times a request. */
const WARM_UP = 3000

/**
 * What one proxied GET of 1 KB costs in CPU time of the gateway's process, by the kernel's account.
 *
 * By default every rival gets as many requests as it can answer on its core, which is what is asked for where
 * a core is full: what a request costs then says how many there can be. With a rate all get the same, and
 * whoever is less busy finds fewer requests at a time when it looks, so that each costs it more.
 */
export async function cost(options: CostOptions = {}): Promise<CostResult> {
  const { rounds = 5, duration = 1500, connections = 32, rate, withFeatures = false, signal } = options
  const cores = chooseCores()
  const { found, missing } = await findPeers()
  const entered = [...rivals, ...found.map(rivalOf), ...(withFeatures ? features : [])]
  const rows: CostRow[] = entered.map(({ name }) => ({ name, cost: [], rate: [], busy: [], late: 0 }))
  const load = await startScript<{ backends: string[] }>('load', { core: cores?.load })
  const stage: { running: Running; row: CostRow }[] = []
  try {
    for (const [i, rival] of entered.entries()) {
      signal?.throwIfAborted()
      const running = await rival.start(load.ready.backends, cores)
      stage.push({ running, row: rows[i] as CostRow })
    }
    const total = (rounds + 1) * stage.length
    for (let round = 0; round <= rounds; round++) {
      for (const [i, { running, row }] of shuffled(stage).entries()) {
        signal?.throwIfAborted()
        options.onProgress?.(round * stage.length + i, total)
        const port = Number(new URL(running.url).port)
        const pids = processTree(running.pid)
        const order = { port, pids, connections, lead: LEAD }
        // Without a rate: who is warm is what matters, not how much it took.
        if (round === 0) await measure(load.child, { ...order, rate: undefined, duration: WARM_UP })
        else note(row, await measure(load.child, { ...order, rate, duration }))
      }
    }
    return { rows, missing, cores, connections, rate, rounds, duration }
  } finally {
    await Promise.all([...stage.map(({ running }) => running.stop()), stop(load.child)])
  }
}

async function measure(load: ChildProcess, order: Order): Promise<Sample> {
  const answer = once(load, 'message')
  load.send(order)
  const [{ sample, error }] = (await answer) as [{ sample?: Sample; error?: string }]
  if (!sample) throw new Error(error)
  return sample
}

function note(row: CostRow, { requests, late, cpu, elapsed }: Sample): void {
  row.cost.push(cpu / 1000 / requests)
  row.rate.push((1000 * requests) / elapsed)
  row.busy.push(cpu / 1e6 / elapsed)
  row.late += late
}

/** No rival always comes after the same one. */
function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

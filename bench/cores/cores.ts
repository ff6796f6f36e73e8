import { availableParallelism } from 'node:os'
import { startScript, stop } from '../cost/child.js'
import { type Node, ownNode } from '../cost/nodes.js'
import { everything } from '../cost/rivals.js'
import { ask, measure, shuffled } from '../cost/rounds.js'
import { type CoresGateway, startGateway } from './gateway.js'
import type { PeakOrder, Peaks } from './peak.js'
import { type Placement, placementFor } from './placement.js'
import { type Requests, sharesBetween } from './shares.js'

export interface CoresOptions {
  /** How many workers, each measured in every round. */
  workers: number[]
  /** What the gateways run with; the Node of this process without it. */
  node?: Node
  /** Rounds that count. One before them warms up. */
  rounds?: number
  /** Milliseconds of each measurement. */
  duration?: number
  /** Kept connections of the clients for each worker. */
  connections?: number
  /** Whether all threads of a gateway are to be on one core. */
  onOneCore?: boolean
  signal: AbortSignal
  /** @param done part of the work, 0 to 1 */
  onProgress?: (done: number) => void
}

/** What a gateway with so many workers took in each round, in the order of the rounds. */
export interface CoresRow {
  workers: number
  /** Microseconds of CPU for a request, of all threads of the process. */
  cost: number[]
  /** Requests a second. */
  rate: number[]
  /** Cores that it used: 1.5 is one and a half. */
  busy: number[]
  /** Bytes of memory after the last round. */
  memory: number
  /** Part of the requests that each worker had, the largest first; undefined where the metrics do not say. */
  shares: number[] | undefined
  /** Most requests that each backend had at a time, in the round in which they differed most. */
  peaks: number[]
}

export interface CoresResult {
  rows: CoresRow[]
  node: Node
  placement: Placement
  processors: number
  rounds: number
  duration: number
  connections: number
}

/** Requests at a time while it is counted how many each backend has. */
export const PEAK_CONNECTIONS = 24
/** Milliseconds under load before it is measured. */
const LEAD_MS = 150
/** Milliseconds of the round that warms up: code on Node is compiled in it, in each worker. */
const WARM_UP_MS = 2500
/** Answers of each worker in that time, for which a slow machine gets more of it. */
const WARM_UP_ANSWERS = 20_000

/**
 * What a request costs a gateway with several workers beside one with a single one, and how many a second there are.
 *
 * Every gateway gets as many requests as it can answer, on as many connections for each worker: so each worker finds
 * as many at a time as a single one does.
 */
export async function cores(options: CoresOptions): Promise<CoresResult> {
  const {
    workers,
    node = ownNode,
    rounds = 5,
    duration = 1000,
    connections = 32,
    onOneCore = false,
  } = options
  const placement = placementFor(workers, onOneCore)
  const plan = { ...options, node, rounds, duration, connections, placement }
  const rows = await loaded(plan)
  for (const [i, row] of rows.entries()) {
    row.peaks = await peaksWith(plan, row.workers)
    options.onProgress?.(LOADED_PART + ((1 - LOADED_PART) * (i + 1)) / rows.length)
  }
  return { rows, node, placement, processors: availableParallelism(), rounds, duration, connections }
}

type Plan = Required<Omit<CoresOptions, 'onProgress' | 'onOneCore'>> &
  Pick<CoresOptions, 'onProgress'> & { placement: Placement }

/** Part of the time in which requests are as many as can be answered. */
const LOADED_PART = 0.8

interface Entry {
  row: CoresRow
  gateway: CoresGateway
  before: Requests | undefined
}

async function loaded(plan: Plan): Promise<CoresRow[]> {
  const { node, workers, placement, rounds, duration, signal } = plan
  const loads = await Promise.all(
    (placement.load ?? [undefined]).map((core) =>
      startScript<{ backends: string[] }>('load', { core, niced: core === undefined }),
    ),
  )
  const backends = loads.flatMap(({ ready }) => ready.backends)
  const stage: Entry[] = []
  try {
    for (const count of workers) {
      signal.throwIfAborted()
      const gateway = await startGateway(
        node.path,
        count,
        backends,
        placement.gateway?.slice(0, count),
        everything,
      )
      const row = { workers: count, cost: [], rate: [], busy: [], memory: 0, shares: undefined, peaks: [] }
      stage.push({ row, gateway, before: undefined })
    }
    for (let round = 0; round <= rounds; round++) {
      for (const [i, entry] of shuffled(stage).entries()) {
        signal.throwIfAborted()
        plan.onProgress?.((LOADED_PART * (round + i / stage.length)) / (rounds + 1))
        const { row, gateway } = entry
        const order = {
          kind: 'get' as const,
          rate: undefined,
          port: gateway.port,
          pids: [gateway.pid],
          connections: Math.ceil((plan.connections * row.workers) / loads.length),
          lead: LEAD_MS,
          ...(round === 0
            ? { duration: WARM_UP_MS, answers: (WARM_UP_ANSWERS * row.workers) / loads.length }
            : { duration, answers: 0 }),
        }
        const samples = await Promise.all(loads.map(({ child }) => measure(child, order, signal)))
        if (round === 0) entry.before = await gateway.requests()
        else note(row, samples)
      }
    }
    for (const { row, gateway, before } of stage) {
      row.memory = gateway.memory()
      row.shares = row.workers === 1 ? undefined : sharesBetween(before, await gateway.requests())
    }
    return stage.map(({ row }) => row)
  } finally {
    await Promise.all(stage.map(({ gateway }) => gateway.stop()))
    await Promise.all(loads.map(({ child }) => stop(child)))
  }
}

/** @param samples of the same time, each with the requests of one process of the load, and the CPU time of the gateway */
function note(row: CoresRow, samples: Awaited<ReturnType<typeof measure>>[]): void {
  const rate = samples.reduce((sum, { requests, elapsed }) => sum + (1000 * requests) / elapsed, 0)
  const busy = samples.reduce((sum, { cpu, elapsed }) => sum + cpu / 1e6 / elapsed, 0) / samples.length
  row.rate.push(rate)
  row.busy.push(busy)
  row.cost.push((busy * 1e6) / rate)
}

/** Most requests that each of three equal backends had at a time, in the round in which they differed most. */
async function peaksWith(plan: Plan, workers: number): Promise<number[]> {
  const { node, placement, rounds, duration, signal } = plan
  signal.throwIfAborted()
  const load = await startScript<{ backends: string[] }>('../cores/peak', { core: placement.load?.[0] })
  try {
    const gateway = await startGateway(
      node.path,
      workers,
      load.ready.backends,
      placement.gateway?.slice(0, workers),
    )
    try {
      let worst: number[] = []
      for (let round = 0; round < rounds; round++) {
        signal.throwIfAborted()
        // The connections are new ones in each round, which the kernel gives to the workers as it likes.
        const order: PeakOrder = { port: gateway.port, connections: PEAK_CONNECTIONS, duration }
        const { peaks } = await ask<PeakOrder, Peaks>(load.child, order, signal)
        if (worst.length === 0 || difference(peaks) > difference(worst)) worst = peaks
      }
      return worst
    } finally {
      await gateway.stop()
    }
  } finally {
    await stop(load.child)
  }
}

/** By how much the peaks of backends differ. */
export function difference(peaks: readonly number[]): number {
  return Math.max(...peaks) - Math.min(...peaks)
}

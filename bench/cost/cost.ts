import type { ChildProcess } from 'node:child_process'
import { findPeers } from '../peers/find.js'
import { startScript, stop } from './child.js'
import { type Cores, chooseCores } from './cores.js'
import { processTree } from './cpu-time.js'
import { kinds as allKinds, type KindName, kindOf } from './kinds.js'
import type { Sample } from './load.js'
import { type Node, ownNode } from './nodes.js'
import { featuresOn, type Rival, type Running, rivalOf, rivalsOn } from './rivals.js'
import { measure, shuffled } from './rounds.js'

export interface CostOptions {
  /** Kinds of requests; all without it. */
  kinds?: KindName[]
  /** What gateways on Node run with; the Node of this process without it. */
  nodes?: Node[]
  /** Rounds that count; each measures every rival once, in an order of its own. One before them warms up. */
  rounds?: number
  /** Milliseconds of each measurement. */
  duration?: number
  /** Kept connections of the clients. */
  connections?: number
  /** Requests a second; undefined for as many as each rival answers. */
  rate?: number | undefined
  /** Whether each process has had requests of every kind before it is measured with one. */
  mixed?: boolean
  /** Whether what each feature costs is measured, too. */
  withFeatures?: boolean
  signal?: AbortSignal
  /** @param done kinds and the part of one that were measured @param total kinds */
  onProgress?: (done: number, total: number) => void
}

/** What a rival took for one kind of request in each round, in the order of the rounds. */
export interface CostRow {
  kind: KindName
  name: string
  /** Version of the Node that it runs with; undefined for what is not on Node. */
  node: string | undefined
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
  kinds: KindName[]
  nodes: Node[]
  /** Software that is not installed here. */
  missing: string[]
  cores: Cores | undefined
  connections: number
  rate: number | undefined
  rounds: number
  duration: number
  mixed: boolean
}

/** Milliseconds under load before it is measured. */
const LEAD = 150
/** Milliseconds of the round that warms up: code on Node is compiled in it, which costs many times a request. */
const WARM_UP = 2500
/** Answers in that time, for which a slow machine gets more of it. */
const WARM_UP_ANSWERS = 20_000
/** The same for what is not on Node, and needs no more than to make its connections. */
const SHORT_WARM_UP = 300

/**
 * What one proxied request costs in CPU time of the gateway's process, by the kernel's account.
 *
 * By default every rival gets as many requests as it can answer on its core, which is what is asked for where
 * a core is full: what a request costs then says how many there can be. With a rate all get the same, and
 * whoever is less busy finds fewer requests at a time when it looks, so that each costs it more.
 */
export async function cost(options: CostOptions = {}): Promise<CostResult> {
  const { rounds = 5, duration = 800, connections = 32, rate, withFeatures = false, signal } = options
  const { mixed = false, kinds = allKinds.map(({ name }) => name), nodes = [ownNode] } = options
  const cores = chooseCores()
  const { found, missing } = await findPeers()
  const entered = [
    ...nodes.flatMap(rivalsOn),
    ...found.map(rivalOf),
    ...(withFeatures ? nodes.flatMap(featuresOn) : []),
  ]
  const load = await startScript<{ backends: string[] }>('load', { core: cores?.load })
  const rows: CostRow[] = []
  try {
    for (const [i, kind] of kinds.entries()) {
      const before = mixed ? allKinds.map(({ name }) => name).filter((name) => name !== kind) : []
      const more = await oneKind({
        ...{ kind, before, entered, load: load.child, backends: load.ready.backends, cores },
        ...{ rounds, duration, connections, rate, signal },
        onProgress: (done) => options.onProgress?.(i + done, kinds.length),
      })
      rows.push(...more)
    }
    return { rows, kinds, nodes, missing, cores, connections, rate, rounds, duration, mixed }
  } finally {
    await stop(load.child)
  }
}

interface OneKind {
  kind: KindName
  /** Kinds that each process is warmed up with before. */
  before: KindName[]
  entered: Rival[]
  load: ChildProcess
  backends: string[]
  cores: Cores | undefined
  rounds: number
  duration: number
  connections: number
  rate: number | undefined
  signal: AbortSignal | undefined
  /** @param done part of the work, 0 to 1 */
  onProgress(done: number): void
}

/** All rivals with one kind of request, in processes of their own: code is compiled for the requests that come. */
async function oneKind(plan: OneKind): Promise<CostRow[]> {
  const { kind, before, entered, load, backends, cores, rounds, duration, connections, rate, signal } = plan
  const stage: { running: Running; rival: Rival; row: CostRow }[] = []
  try {
    for (const rival of entered) {
      signal?.throwIfAborted()
      const row = { kind, name: rival.name, node: rival.node?.version, cost: [], rate: [], busy: [], late: 0 }
      stage.push({ running: await rival.start(backends, cores), rival, row })
    }
    for (let round = 0; round <= rounds; round++) {
      for (const [i, { running, rival, row }] of shuffled(stage).entries()) {
        signal?.throwIfAborted()
        plan.onProgress((round + i / stage.length) / (rounds + 1))
        const port = Number(new URL(running.url).port)
        const order = { port, pids: processTree(running.pid), connections, lead: LEAD }
        if (round === 0) {
          // Without a rate: who is warm is what matters, not how much it took.
          const warm = { ...order, rate: undefined, duration: rival.node ? WARM_UP : SHORT_WARM_UP }
          for (const one of [...before, kind]) {
            const answers = rival.node && kindOf(one).answer !== 'stream' ? WARM_UP_ANSWERS : 0
            await measure(load, { ...warm, kind: one, answers })
          }
        } else {
          note(row, await measure(load, { ...order, kind, rate, duration, answers: 0 }))
        }
      }
    }
    return stage.map(({ row }) => row)
  } finally {
    await Promise.all(stage.map(({ running }) => running.stop()))
  }
}

function note(row: CostRow, { requests, late, cpu, elapsed }: Sample): void {
  row.cost.push(cpu / 1000 / requests)
  row.rate.push((1000 * requests) / elapsed)
  row.busy.push(cpu / 1e6 / elapsed)
  row.late += late
}

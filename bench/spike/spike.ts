import { findContenders } from './contenders.js'
import { type Goal, goalsOf } from './goals.js'
import { type Outcome, percentile } from './outcome.js'
import { play } from './play.js'
import { RATE, scenarios } from './scenarios.js'

export interface SpikeOptions {
  /** Measured time of each scenario. */
  seconds: number
  /** Names; all unless said otherwise. */
  scenarios?: string[] | undefined
  contenders?: string[] | undefined
  signal: AbortSignal
  onProgress: (progress: SpikeProgress) => void
}

export interface SpikeProgress {
  scenario: string
  /** Which of how many. */
  number: number
  count: number
  /** Milliseconds, and how many there will be. */
  elapsed: number
  duration: number
}

export interface ScenarioResult {
  name: string
  title: string
  method: 'GET' | 'POST'
  /** What happened, in milliseconds from the start. */
  events: { at: number; label: string }[]
  outcomes: Outcome[]
}

export interface SpikeResult {
  seconds: number
  /** Requests a second to each contender. */
  rate: number
  seed: number
  contenders: { name: string; version?: string }[]
  /** Peers that are not installed. */
  missing: string[]
  scenarios: ScenarioResult[]
  goals: Goal[]
  /** How well the load itself was kept up. */
  generator: {
    /** Milliseconds that requests were sent after they were due. */
    lateness: { p50: number; p99: number; max: number }
    /** Of one processor, for clients and backends together. */
    cpu: number
  }
}

const SEED = 20

/** Tail latency and errors under trouble, of leastwise and of the peers that are installed. */
export async function spike(options: SpikeOptions): Promise<SpikeResult> {
  const { seconds, signal, onProgress } = options
  const { contenders: all, missing } = await findContenders()
  const contenders = chosen('contender', all, options.contenders)
  const played = chosen('scenario', scenarios, options.scenarios)
  const duration = seconds * 1000
  const results: ScenarioResult[] = []
  const lateness: number[] = []
  const began = performance.now()
  const cpu = process.cpuUsage()
  for (const [i, scenario] of played.entries()) {
    const { name, title, method } = scenario
    const progress = { scenario: name, number: i + 1, count: played.length, duration }
    onProgress({ ...progress, elapsed: 0 })
    const outcomes = await play(scenario, contenders, {
      duration,
      seed: SEED + i,
      signal,
      onProgress: (elapsed) => onProgress({ ...progress, elapsed }),
      onSent: (late) => lateness.push(late),
    })
    signal.throwIfAborted()
    const events = scenario.events(duration).map(({ at, label }) => ({ at, label }))
    results.push({ name, title, method, events, outcomes })
  }
  const { user, system } = process.cpuUsage(cpu)
  const late = Float64Array.from(lateness).sort()
  return {
    seconds,
    rate: RATE,
    seed: SEED,
    contenders: contenders.map(({ name, version }) => ({ name, ...(version !== undefined && { version }) })),
    missing,
    scenarios: results,
    goals: goalsOf(results),
    generator: {
      lateness: { p50: percentile(late, 50), p99: percentile(late, 99), max: percentile(late, 100) },
      cpu: (user + system) / 1000 / (performance.now() - began),
    },
  }
}

function chosen<T extends { name: string }>(kind: string, all: T[], names: string[] | undefined): T[] {
  const known = all.map(({ name }) => name)
  for (const name of names ?? [])
    if (!known.includes(name)) throw new Error(`there is no ${kind} "${name}", only ${known.join('; ')}`)
  return names ? all.filter(({ name }) => names.includes(name)) : all
}

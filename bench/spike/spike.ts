import { type Contender, findContenders } from './contenders.js'
import { type Goal, goalsOf } from './goals.js'
import { type Outcome, percentile } from './outcome.js'
import { type PlayOptions, play } from './play.js'
import { RATE, type Scenario, scenarios } from './scenarios.js'

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
  /** Milliseconds that requests were sent after they were due. */
  lateness: { p50: number; p99: number; max: number }
  /** Whether the machine stood still in it, and could not be begun anew: then it says little. */
  disturbed: boolean
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
  /** What clients and backends together took of one processor. */
  cpu: number
}

const SEED = 20
/** Milliseconds that a request may be sent late; more, and the machine stood still, which is nobody's merit or fault. */
const STILL = 100
/** How often in a run a scenario is begun anew because something disturbed it; later ones are played to the end. */
const RETAKES = 4

/** Tail latency and errors under trouble, of leastwise and of the peers that are installed. */
export async function spike(options: SpikeOptions): Promise<SpikeResult> {
  const { seconds, signal, onProgress } = options
  const { contenders: all, missing } = await findContenders()
  const contenders = chosen('contender', all, options.contenders)
  const played = chosen('scenario', scenarios, options.scenarios)
  const duration = seconds * 1000
  const results: ScenarioResult[] = []
  const began = performance.now()
  const cpu = process.cpuUsage()
  let retakes = 0
  for (const [i, scenario] of played.entries()) {
    const progress = { scenario: scenario.name, number: i + 1, count: played.length, duration }
    onProgress({ ...progress, elapsed: 0 })
    let result: ScenarioResult | undefined
    while (!result) {
      result = await playOnce(scenario, contenders, retakes === RETAKES, {
        duration,
        seed: SEED + i,
        signal,
        onProgress: (elapsed) => onProgress({ ...progress, elapsed }),
      })
      signal.throwIfAborted()
      if (!result) retakes++
    }
    results.push(result)
  }
  const { user, system } = process.cpuUsage(cpu)
  return {
    seconds,
    rate: RATE,
    seed: SEED,
    contenders: contenders.map(({ name, version }) => ({ name, ...(version !== undefined && { version }) })),
    missing,
    scenarios: results,
    goals: goalsOf(results),
    cpu: (user + system) / 1000 / (performance.now() - began),
  }
}

/** @returns undefined where it was disturbed, and broken off because it need not be played `toTheEnd` */
async function playOnce(
  scenario: Scenario,
  contenders: readonly Contender[],
  toTheEnd: boolean,
  options: Omit<PlayOptions, 'onSent'>,
): Promise<ScenarioResult | undefined> {
  const late: number[] = []
  const disturbance = new AbortController()
  const onSent = (lateness: number) => {
    late.push(lateness)
    if (lateness > STILL && !toTheEnd) disturbance.abort()
  }
  const signal = AbortSignal.any([options.signal, disturbance.signal])
  const outcomes = await play(scenario, contenders, { ...options, signal, onSent })
  if (disturbance.signal.aborted) return undefined
  const sorted = Float64Array.from(late).sort()
  const lateness = {
    p50: percentile(sorted, 50),
    p99: percentile(sorted, 99),
    max: percentile(sorted, 100),
  }
  const { name, title, method } = scenario
  const events = scenario.events(options.duration).map(({ at, label }) => ({ at, label }))
  return { name, title, method, events, outcomes, lateness, disturbed: lateness.max > STILL }
}

function chosen<T extends { name: string }>(kind: string, all: T[], names: string[] | undefined): T[] {
  const known = all.map(({ name }) => name)
  for (const name of names ?? [])
    if (!known.includes(name)) throw new Error(`there is no ${kind} "${name}", only ${known.join('; ')}`)
  return names ? all.filter(({ name }) => names.includes(name)) : all
}

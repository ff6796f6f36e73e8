import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../test/support/random.js'
import { type Arrival, poisson } from '../rig/arrivals.js'
import { RigBackend } from '../rig/backend.js'
import { load } from '../rig/load.js'
import type { Contender, RunningContender } from './contenders.js'
import { type Outcome, STEP } from './outcome.js'
import { Recorder } from './recorder.js'
import { CLIENT_TIMEOUT, QUEUE, RATE, type Scenario, WORK } from './scenarios.js'

/** Milliseconds of load before anything is measured: connections are made and code is compiled. */
const WARM_UP = 2000

/** A contender with backends of its own. */
interface Side {
  contender: Contender
  running: RunningContender
  backends: RigBackend[]
  recorder: Recorder
}

export interface PlayOptions {
  /** Milliseconds that are measured. */
  duration: number
  seed: number
  signal: AbortSignal
  onProgress: (elapsed: number) => void
  /** Called with how many milliseconds after it was due each measured request was sent. */
  onSent: (lateness: number) => void
}

/**
 * Plays one scenario with all contenders side by side, so that whatever else the machine does meets all of
 * them. Each has its own backends, and all get the same requests, with the same work in them, at the same time.
 */
export async function play(
  scenario: Scenario,
  contenders: readonly Contender[],
  { duration, seed, signal, onProgress, onSent }: PlayOptions,
): Promise<Outcome[]> {
  const sides: Side[] = []
  const timers: NodeJS.Timeout[] = []
  try {
    const started = contenders.map(async (contender) => {
      sides.push(await prepare(contender, scenario, duration))
    })
    const failure = (await Promise.allSettled(started)).find(({ status }) => status === 'rejected')
    if (failure) throw (failure as PromiseRejectedResult).reason
    sides.sort((a, b) => contenders.indexOf(a.contender) - contenders.indexOf(b.contender))

    const random = seeded(seed)
    const arrivals = [...poisson(RATE, WARM_UP + duration, random, () => pathOf(random))]
    const start = performance.now() + 100
    const faults: unknown[] = []
    const at = (time: number, act: () => void) => {
      timers.push(setTimeout(act, start + WARM_UP + time - performance.now()))
    }
    for (const { recorder } of sides) at(0, () => recorder.begin())
    for (const event of scenario.events(duration))
      for (const { backends } of sides) at(event.at, () => event.act(backends))
    if (scenario.joins) {
      for (const { running, backends } of sides) {
        at(scenario.joins(duration) + 1, () => {
          running.join?.((backends.at(-1) as RigBackend).url).catch((error) => faults.push(error))
        })
      }
    }
    for (let time = STEP; time <= duration; time += STEP) {
      at(time, () => {
        for (const { recorder } of sides) recorder.step()
        onProgress(time)
      })
    }

    await Promise.all(
      sides.map(({ running, recorder }, i) =>
        load({
          url: running.url,
          method: scenario.method,
          arrivals,
          timeout: CLIENT_TIMEOUT,
          // Shifted a little, so that they do not all want the processors in the same moment.
          start: start + (i / sides.length) * (1000 / RATE),
          signal,
          onEnd({ at }: Arrival, ending, latency, lateness) {
            if (at < WARM_UP) return
            onSent(lateness)
            recorder.record(at - WARM_UP, ending, latency)
          },
        }),
      ),
    )
    if (faults.length > 0) throw faults[0]
    return sides.map(({ contender, recorder }) => recorder.outcome(contender.name, contender.kind))
  } finally {
    for (const timer of timers) clearTimeout(timer)
    for (const { backends } of sides) for (const backend of backends) backend.resume()
    await Promise.all(sides.map(({ running }) => running.stop()))
    // A backend that is to come back may be just about to listen.
    await sleep(0)
    for (const { backends } of sides) for (const backend of backends) backend.close()
  }
}

async function prepare(contender: Contender, scenario: Scenario, duration: number): Promise<Side> {
  const backends = scenario.workers.map(
    (workers, i) => new RigBackend({ id: 'abcdefgh'[i] as string, workers, queue: QUEUE, workOf }),
  )
  for (const backend of backends) await backend.listen()
  const urls = backends.map(({ url }) => url)
  let later: string | undefined
  if (scenario.joins) {
    later = urls.pop()
    backends.at(-1)?.crash()
  }
  try {
    const running = await contender.start(urls, later)
    return { contender, running, backends, recorder: new Recorder(backends, duration) }
  } catch (error) {
    for (const backend of backends) backend.close()
    throw error
  }
}

/** The work is in the request, so that it is the same whoever is asked. Half of it is fixed, half varies. */
function pathOf(random: () => number): string {
  return `/takes/${(WORK * (0.5 - 0.5 * Math.log(1 - random()))).toFixed(3)}`
}

function workOf({ url = '' }: { url?: string | undefined }): number {
  return Number(url.slice('/takes/'.length))
}

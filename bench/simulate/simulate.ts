import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { type Affinity, playAffinity } from './scenes/affinity.js'
import { type Balls, playBalls } from './scenes/balls.js'
import { type Healthy, healthy, playHealthy } from './scenes/healthy.js'
import { type LinkerdRow, playLinkerd } from './scenes/linkerd.js'
import { type PausesRow, playPauses } from './scenes/pauses.js'
import { playSlowDown, type SlowDown } from './scenes/slow-down.js'
import { playSupermarket, type Supermarket } from './scenes/supermarket.js'
import { playTower, type TowerRow } from './scenes/tower.js'
import { playTunnels, type TunnelsRow } from './scenes/tunnels.js'

export interface SimulateOptions {
  /** The same seed gives the same figures; 1 by default. */
  seed?: number
  /** Of each of the runs with healthy pools; 100,000 by default. */
  requests?: number
  /** Asked between runs. */
  signal?: AbortSignal
  onProgress?: (done: number, total: number, what: string) => void
}

/** All that was simulated; plain data. Times in milliseconds where nothing else is said. */
export interface Simulated {
  seed: number
  requests: number
  healthy: Healthy
  slowDown: SlowDown
  pauses: PausesRow[]
  linkerd: LinkerdRow[]
  tower: TowerRow[]
  tunnels: TunnelsRow[]
  affinity: Affinity
  balls: Balls
  supermarket: Supermarket
}

/** Plays every policy through every scene, in simulated time. */
export async function simulate(options: SimulateOptions = {}): Promise<Simulated> {
  const { seed = 1, requests = 100_000, signal, onProgress } = options
  const total = healthy.backends.length * healthy.gateways.length * policyNames.length + 8
  let done = 0
  const played = async (what: string) => {
    onProgress?.(++done, total, what)
    // Lets a signal be heard.
    await new Promise((resolve) => setImmediate(resolve))
    signal?.throwIfAborted()
  }
  const scene = async <T>(what: string, play: () => T): Promise<T> => {
    const result = play()
    await played(what)
    return result
  }
  return {
    seed,
    requests,
    slowDown: await scene('slow-down', () => playSlowDown(seed)),
    pauses: await scene('pauses', () => playPauses(seed)),
    linkerd: await scene('Linkerd', () => playLinkerd(seed)),
    tower: await scene('tower', () => playTower(seed)),
    tunnels: await scene('tunnels', () => playTunnels(seed)),
    affinity: await scene('affinity', () => playAffinity(seed, requests)),
    balls: await scene('balls into bins', () => playBalls(seed)),
    supermarket: await scene('supermarket', () => playSupermarket(seed)),
    healthy: await playHealthy(requests, seed, played),
  }
}

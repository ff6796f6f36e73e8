import type { HedgeAfter } from '../../src/balancer/resilience/hedging.js'
import type { Server } from './server.js'

/** What is played: who works, who asks, and what goes wrong when. All times in milliseconds. */
export interface Scene {
  backends: readonly BackendModel[]
  /** Each chooses by what it knows itself, and knows nothing of the others' requests. */
  gateways: number
  /** Connections of clients. Without them each request comes to a gateway that is drawn for it alone. */
  connections?: Connections
  requests: number
  /** Requests at the start that are played and not counted. */
  warmUp?: number
  load: OpenLoad | ClosedLoad
  /** Draws how much there is to do for one request. */
  work: Draw
  events?: readonly SceneEvent[]
  /** Second tries on another backend. */
  hedging?: HedgingOptions
}

/** Requests come on so many connections, on each as likely; a connection stays with one gateway. */
export interface Connections {
  count: number
  /** `even`: gateways have connections in turn. `hashed`: each is drawn, as Linux does with `SO_REUSEPORT`. */
  spread: 'even' | 'hashed'
}

export interface BackendModel {
  /** Jobs that it works on at a time; Infinity for one that no number of requests makes slower. */
  workers: number
  weight?: number
}

/** Requests that come when they come, however many are unanswered. */
export interface OpenLoad {
  /** Draws the time to the next request of all. */
  gap: Draw
}

/** So many clients, each of which sends its next request when it has its answer. */
export interface ClosedLoad {
  clients: number
}

export interface SceneEvent {
  at: number
  happens(servers: readonly Server[]): void
}

export interface HedgingOptions {
  /** When: `p95` of recent latencies, or after so many milliseconds. */
  after: HedgeAfter
  /** Ceiling of hedges, in percent of requests. */
  budget: number
}

/** Draws a number. @param random uniform in [0, 1) */
export type Draw = (random: () => number) => number

export function same<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item)
}

/** Exponential: of such gaps a Poisson process is made. */
export function exponential(mean: number): Draw {
  return (random) => -mean * Math.log(1 - random())
}

/** Uniform within so much of the mean on either side. */
export function uniform(mean: number, deviation: number): Draw {
  return (random) => mean - deviation + 2 * deviation * random()
}

export function constant(value: number): Draw {
  return () => value
}

/** Bell-shaped and skewed to the right, after Box and Muller. */
export function lognormal(median: number, sigma: number): Draw {
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return median * Math.exp(sigma * normal)
  }
}

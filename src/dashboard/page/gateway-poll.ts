import type { RouteView } from '../../admin/contract/routes.js'
import type { PoolView } from '../../balancer/index.js'
import { ApiError, call } from './api.js'
import type { Progress, Source } from './connection.js'

export type NamedPool = PoolView & { name: string }

/** The pools and routes of a gateway at one moment. */
export interface GatewayState {
  pools: NamedPool[]
  routes: RouteView[]
}

/** Milliseconds between two questions, where they are answered quickly. */
const INTERVAL_MS = 1000
/** How many times as long as an answer took nothing is asked, because a gateway may take a while to list its routes. */
const IDLE_FACTOR = 5

/** Whether the gateway that served the page has routes. An app that has the plugin has no calls for them. */
const hasRoutes = document.body.dataset.routes !== undefined

/** Asks the gateway the same again and again. */
export class GatewayPoll<T> implements Source {
  readonly #ask: (signal: AbortSignal) => Promise<T>
  readonly #show: (answer: T) => void

  /**
   * @param ask asks once
   * @param show called with each answer
   */
  constructor(ask: (signal: AbortSignal) => Promise<T>, show: (answer: T) => void) {
    this.#ask = ask
    this.#show = show
  }

  async read(progress: Progress, stopped: AbortSignal): Promise<ApiError> {
    for (let first = true; !stopped.aborted; first = false) {
      const began = performance.now()
      const answer = await this.#ask(stopped)
      if (stopped.aborted) break
      if (first) progress.live()
      this.#show(answer)
      progress.shown()
      const wait = Math.max(INTERVAL_MS, IDLE_FACTOR * (performance.now() - began))
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    return new ApiError(0, 'The page shows something else.')
  }
}

/** Asks for the pools and routes once. @throws {ApiError} */
export async function readGateway(signal?: AbortSignal): Promise<GatewayState> {
  const [{ pools }, { routes }] = await Promise.all([
    ask<Pick<GatewayState, 'pools'>>('pools', signal),
    hasRoutes ? ask<Pick<GatewayState, 'routes'>>('routes', signal) : { routes: [] },
  ])
  return { pools, routes }
}

/** Asks for a route once. @throws {ApiError} */
export function readRoute(name: string, signal: AbortSignal): Promise<RouteView> {
  return ask(`routes/${encodeURIComponent(name)}`, signal)
}

async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await call('GET', path, signal ? { signal } : {})).json() as Promise<T>
}

import type { FastifyRequest } from 'fastify'
import type { Affinity } from '../proxy/downstream/affinity/affinity.js'
import type { FieldCounter } from '../proxy/downstream/fields/field-limits.js'
import { trailerRules } from '../proxy/downstream/fields/request-trailers.js'
import type { AppHooks } from '../proxy/downstream/host-app/app-hooks.js'
import type { FieldChanges } from '../proxy/http/header-changes.js'
import type { Peer } from '../proxy/http/peer.js'
import { statusesOf } from '../proxy/http/status-ranges.js'
import type { Trust } from '../proxy/http/trust.js'
import { copyBudgetOf } from '../proxy/mirror/copy-budget.js'
import { Mirror } from '../proxy/mirror/mirror.js'
import type { MirrorOptions } from '../proxy/mirror/mirror-options.js'
import type { RouteRules } from '../proxy/route-rules.js'
import type { RouteTarget } from '../proxy/route-target.js'
import type { RouteForwarding } from '../proxy/upstream/dispatcher.js'
import { requestRecorder } from '../telemetry/observers.js'
import type { RequestObserver } from '../telemetry/record.js'
import { failureStatusOf } from './forwarding-options.js'
import type { Pool } from './pool.js'
import { Split, type WeightedTarget } from './split.js'

/** Facts of the scope that the routes belong to. */
export interface ScopeFacts {
  /** The server on which requests arrive. */
  server: FieldCounter
  appHooks: AppHooks
  /** Largest body that is copied where a hook reads it, in bytes. */
  bodyLimit: number
  /** Whether the router treats several slashes in a row as one. */
  joinsSlashes: boolean
}

/** The pool that gets copies of a route's requests. */
export interface MirrorTarget extends Pick<MirrorOptions, 'percent' | 'maxBody' | 'count'> {
  pool: Pool
}

/** What a route says about its requests. */
export interface RouteOptions extends RouteForwarding {
  /** Undefined where everything goes to one pool. */
  name: string | undefined
  /** The path that the route is for, as traces name it; undefined where Fastify's own route has it. */
  path?: string | undefined
  /** How many segments at the start of a client's path are removed. */
  segments: number
  /** The path that backends get in their place. */
  rewritePrefix: string
  /** Whether what was removed from paths is put back into paths in response fields. */
  restoresPrefix: boolean
  /** The methods of the route. */
  methods: readonly string[]
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** What is changed in the header fields of requests, after the gateway's own are made; undefined for nothing. */
  requestChanges?: FieldChanges | undefined
  /** What is changed in the header fields of a backend's responses; undefined for nothing. */
  responseChanges?: FieldChanges | undefined
  /** Whether responses are compressed for clients that take that. */
  compress?: boolean
  /** Largest request body in bytes, 0 for any; undefined where the pool's setting applies. */
  maxBody?: number | undefined
  /** Another pool gets copies of requests; undefined for none. */
  mirror?: MirrorTarget | undefined
  /** Are called with each request of the route when it is over, besides those of the pool. */
  observers?: readonly RequestObserver[]
}

/** Makes the rules of a route whose requests all go to one pool. */
export function rulesFor(pool: Pool, route: RouteOptions, scope: ScopeFacts): RouteRules {
  return rulesWith(pool, targetOf(pool, route, pool.affinity.for(route.trust)), undefined, route, scope)
}

/**
 * Makes the rules of a route whose requests are split between pools. The settings of the first pool apply before one is
 * chosen. Clients are told apart by the affinity of the first pool that has one: a client keeps its pool. In a pool
 * without affinity it keeps no backend.
 * @param random returns numbers from 0 to below 1
 */
export function splitRulesFor(
  pools: readonly [WeightedTarget<Pool>, ...WeightedTarget<Pool>[]],
  route: RouteOptions,
  scope: ScopeFacts,
  random: () => number = Math.random,
): RouteRules {
  const { trust } = route
  const keys = pools.find(({ target }) => target.affinity.isOn)?.target.affinity
  const targets = pools.map(({ target: pool, weight }) => ({
    target: targetOf(pool, route, keys && pool.affinity.like(keys, trust)),
    weight,
  }))
  const split = new Split(targets, random)
  const [first] = pools
  const choose = (request: FastifyRequest, peer: Peer) => split.choose(request, peer)
  return rulesWith(first.target, (targets[0] as WeightedTarget<RouteTarget>).target, choose, route, scope)
}

/**
 * Makes the rules of a route.
 * @param pool the pool whose settings apply to what happens before a pool is chosen
 */
function rulesWith(
  { settings, viaName }: Pool,
  target: RouteTarget,
  chooseTarget: RouteRules['chooseTarget'],
  route: RouteOptions,
  { server, appHooks, bodyLimit, joinsSlashes }: ScopeFacts,
): RouteRules {
  const { segments, rewritePrefix, trust } = route
  const paths = { segments, rewritePrefix, joinsSlashes }
  const { underscoreHeaders, requestBuffer } = settings
  const via = settings.via === 'on' ? viaName : undefined
  const maxBody = route.maxBody ?? settings.maxBody
  const bodyTimeout = route.timeouts?.body ?? settings.bodyTimeout
  return {
    name: route.name,
    target,
    chooseTarget,
    mirror: route.mirror && mirrorTo(route.mirror),
    strip: { trust, underscoreHeaders, server, appHooks },
    admission: { ...paths, maxBody, via, allow: route.methods.join(', ') },
    requestFields: { trust, via, paths, appHooks, changes: route.requestChanges },
    responseFields: {
      via,
      paths: route.restoresPrefix && segments > 0 ? paths : undefined,
      changes: route.responseChanges,
      compresses: route.compress,
    },
    trailerRuleFor: trailerRules(underscoreHeaders),
    bodyLimits: { maxBytes: bodyLimit, timeout: bodyTimeout },
    bodyTimeout,
    readAheadLimits: { requestBuffer, maxBody },
    appHooks,
  }
}

/** Longest time for which a copy waits for a response, where the pool of the copies would wait for longer. */
const COPY_RESPONSE_TIMEOUT_MS = 30_000

function mirrorTo({ pool, percent, maxBody, count }: MirrorTarget): Mirror {
  const { balancer, dispatcher, settings } = pool
  if (!dispatcher) throw new Error(`the pool "${pool.name}" carries no traffic in this thread`)
  const response = Math.min(settings.responseTimeout || COPY_RESPONSE_TIMEOUT_MS, COPY_RESPONSE_TIMEOUT_MS)
  const forwarding = dispatcher.forwarding({ retries: 0, hedge: 'off', timeouts: { response } })
  const budget = copyBudgetOf(balancer)
  return new Mirror({ percent, maxBody, balancer, forwarding, budget, count, random: Math.random })
}

/** Makes a route's way to a pool. */
function targetOf(
  pool: Pool,
  { name, path, trust, observers = [], ...route }: RouteOptions,
  affinity: Affinity | undefined,
): RouteTarget {
  const { balancer, dispatcher, settings } = pool
  if (!dispatcher) throw new Error(`the pool "${pool.name}" carries no traffic in this thread`)
  return {
    pool: pool.name,
    balancer,
    forwarding: dispatcher.forwarding(route),
    affinity,
    tracer: pool.tracing?.of({ pool: pool.name, name, path, guard: balancer.observerGuard }),
    onRefused(host) {
      balancer.registry.refusedHost = host
    },
    record: requestRecorder({
      balancer,
      observers: [...pool.observers, ...observers],
      trust,
      isFailure: statusesOf(failureStatusOf(settings)),
    }),
  }
}

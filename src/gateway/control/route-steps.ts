import type { RouteStep } from '../../admin/contract/request-explanation.js'
import { authenticatorOf } from '../../auth/authenticator.js'
import type { KeySetSource } from '../../auth/keys/key-set-source.js'
import type { Authenticator, Verdict } from '../../auth/verdict.js'
import type { Clock } from '../../balancer/time/clock.js'
import type {
  AuthConfig,
  CorsConfig,
  RateLimitConfig,
  RouteConfig,
} from '../../config/file/gateway-config.js'
import type { RateCount, RateCountReader } from '../../limits/rate-limit-counter.js'
import { requestKey } from '../../limits/request-key.js'
import { accessListOf } from '../../proxy/http/access-list.js'
import { preflightOf } from '../../routing/preflight.js'
import type { AskedRequest } from './asked-request.js'

/** What a client is answered by the gateway itself. */
export interface Refusal {
  statusCode: number
  code: string | null
  message: string
}

/** What a plugin does with a request. */
export interface StepResult extends RouteStep {
  /** What the client is answered where the request does not go on. */
  answer?: Refusal
}

export interface StepServices {
  keySets: KeySetSource
  /** The counts of all threads, and of all gateways that count together. */
  counts: RateCountReader
  clock: Clock
}

/** Says what the plugins of a route would do with a request. Nothing is counted. */
export class RouteSteps {
  readonly #services: StepServices
  readonly #authenticators = new WeakMap<AuthConfig, Promise<Authenticator>>()

  constructor(services: StepServices) {
    this.#services = services
  }

  /** Returns what the plugins do, in the order in which they see the request, up to the first that it does not pass. */
  async of(route: RouteConfig, request: AskedRequest): Promise<StepResult[]> {
    const steps: StepResult[] = []
    for (const step of [
      () => access(route, request),
      () => (route.cors ? cors(route.cors, request) : undefined),
      () => (route.rateLimit ? this.#rateLimit(route.name, route.rateLimit, request) : undefined),
      () => (route.auth ? this.#auth(route.auth, request) : undefined),
    ]) {
      const result = await step()
      if (result) steps.push(result)
      if (result && !result.passes) break
    }
    return steps
  }

  async #rateLimit(
    route: string,
    limit: RateLimitConfig,
    { client, headers }: AskedRequest,
  ): Promise<StepResult> {
    const { max, window, by, failOpen } = limit
    const key = requestKey(route, limit, headers, () => client)
    let count: RateCount | undefined
    try {
      count = await this.#services.counts.peek(key)
    } catch (error) {
      return uncounted(failOpen, error)
    }
    const { current, ttl } = count ?? { current: 0, ttl: window }
    const who = by === 'ip' ? `client ${client}` : `the value of ${by.header}`
    const seconds = Math.ceil(ttl / 1000)
    if (current < max) {
      const reason = `${max - current} of ${max} requests in ${window} ms are left to ${who}`
      return { step: 'rateLimit', passes: true, reason }
    }
    const reason = `${who} has had ${max} requests in ${window} ms; the window ends in ${seconds} s`
    return {
      step: 'rateLimit',
      passes: false,
      reason,
      answer: { statusCode: 429, code: 'LEASTWISE_RATE_LIMITED', message: reason },
    }
  }

  async #auth(auth: AuthConfig, request: AskedRequest): Promise<StepResult> {
    const { keySets, clock } = this.#services
    const making = this.#authenticators.get(auth) ?? authenticatorOf(auth, keySets, clock)
    this.#authenticators.set(auth, making)
    const authenticator = await making
    return { step: 'auth', ...inWords(await authenticator.authenticate(request), authenticator.fields) }
  }
}

function uncounted(failOpen: boolean, error: unknown): StepResult {
  const why = `requests cannot be counted now: ${error instanceof Error ? error.message : error}`
  if (failOpen) return { step: 'rateLimit', passes: true, reason: `${why}; they pass` }
  return {
    step: 'rateLimit',
    passes: false,
    reason: why,
    answer: { statusCode: 503, code: 'LEASTWISE_RATE_LIMIT_UNAVAILABLE', message: why },
  }
}

function inWords(verdict: Verdict, fields: readonly string[]): Omit<StepResult, 'step'> {
  if (verdict.kind === 'admitted') {
    const set = fields.filter((_, i) => verdict.values[i] !== undefined)
    const reason = `the credentials are good${set.length > 0 ? `; the backend gets ${set.join(', ')}` : ''}`
    return { passes: true, reason }
  }
  if (verdict.kind === 'refused') {
    const { message } = verdict
    return {
      passes: false,
      reason: message,
      answer: { statusCode: 401, code: 'LEASTWISE_UNAUTHORIZED', message },
    }
  }
  const isBusy = verdict.kind === 'busy'
  const reason = isBusy ? 'too many passwords are being checked' : 'there are no keys to verify tokens with'
  const code = isBusy ? 'LEASTWISE_OVERLOADED' : 'LEASTWISE_KEYS_UNAVAILABLE'
  return { passes: false, reason, answer: { statusCode: 503, code, message: reason } }
}

function access({ allow, deny }: RouteConfig, { client }: AskedRequest): StepResult | undefined {
  const list = accessListOf({ allow, deny })
  if (!list) return undefined
  const isDenied = accessListOf({ allow: undefined, deny })?.allows(client) === false
  const step = isDenied ? 'deny' : allow ? 'allow' : 'deny'
  if (list.allows(client)) return { step, passes: true, reason: `${client} may use the route` }
  const reason = isDenied ? `${client} is denied` : `${client} is not one of those that are allowed`
  return {
    step,
    passes: false,
    reason,
    answer: { statusCode: 403, code: 'LEASTWISE_FORBIDDEN', message: 'this address may not use the route' },
  }
}

function cors({ origin }: CorsConfig, { method, headers }: AskedRequest): StepResult | undefined {
  const from = headers.origin
  if (from === undefined) return undefined
  const isKnown = origin === '*' || origin.includes(from)
  const may = `a page of ${from} may ${isKnown ? '' : 'not '}read the response`
  if (!preflightOf(method, headers)) return { step: 'cors', passes: true, reason: may }
  const reason = `the preflight is answered here: ${may}`
  return { step: 'cors', passes: false, reason, answer: { statusCode: 204, code: null, message: reason } }
}

import type { ExplanationAnswer } from '../../admin/contract/explanation.js'
import type {
  RequestExplanation,
  RequestInquiry,
  RouteStep,
} from '../../admin/contract/request-explanation.js'
import type { GatewayConfig, RouteConfig } from '../../config/file/gateway-config.js'
import type { Pool } from '../../pool/pool.js'
import { rewritePath } from '../../proxy/downstream/request/rewrite-path.js'
import { explainMatch } from '../../routing/explain-match.js'
import { redirectLocation } from '../../routing/redirect-location.js'
import { RouteTable } from '../../routing/route-table.js'
import { keyOf } from './asked-key.js'
import { type AskedRequest, askedRequest } from './asked-request.js'
import { type Refusal, RouteSteps, type StepServices } from './route-steps.js'
import { changedNames } from './route-view.js'

export interface ExplainerOptions extends StepServices {
  /** Returns the configuration in force. */
  config(): Pick<GatewayConfig, 'pools' | 'routes'>
  pool(name: string): Pool | undefined
}

/** Where a route's requests go, and how they are changed on the way. */
type Goal = Pick<RouteConfig, 'pools' | 'stripPrefix' | 'rewritePrefix' | 'headers' | 'maxBody'>

type Found = Pick<RequestExplanation, 'route' | 'candidates' | 'steps'>

/** Says what would become of a request: nothing is sent and counted, and no later choice is changed. */
export class RequestExplainer {
  readonly #options: ExplainerOptions
  readonly #steps: RouteSteps
  /** The table of the routes that are in force, which is made once for them. */
  #table: RouteTable | undefined

  constructor(options: ExplainerOptions) {
    this.#options = options
    this.#steps = new RouteSteps(options)
  }

  async explain(inquiry: RequestInquiry): Promise<RequestExplanation> {
    const request = askedRequest(inquiry)
    const { routes, pools } = this.#options.config()
    const found: Found = { route: null, candidates: [], steps: [] }
    if (routes) return this.#explainRouted(routes, request, found)
    const [only] = pools
    const weighted = only ? [{ pool: only.name, weight: 1 }] : []
    return this.#forward({ ...NO_CHANGES, pools: weighted }, request, found)
  }

  async #explainRouted(
    routes: readonly RouteConfig[],
    request: AskedRequest,
    found: Found,
  ): Promise<RequestExplanation> {
    if (this.#table?.routes !== routes) this.#table = new RouteTable(routes)
    const { outcome, route: index, reason, others } = explainMatch(this.#table, request)
    const nameOf = (at: number) => (routes[at] as RouteConfig).name
    for (const { route, reason: why } of others)
      found.candidates.push({ route: nameOf(route), taken: false, reason: why })
    if (outcome === 'bad-path')
      return this.#refused(found, { statusCode: 400, code: 'LEASTWISE_BAD_PATH', message: reason })
    const route = index === undefined ? undefined : routes[index]
    if (!route) return this.#refused(found, { statusCode: 404, code: 'LEASTWISE_NO_ROUTE', message: reason })
    found.route = route.name
    found.candidates.unshift({ route: route.name, taken: true, reason })
    const steps = await this.#steps.of(route, request)
    for (const { answer: _, ...step } of steps) found.steps.push(step)
    const last = steps.at(-1)
    if (last?.answer?.code === null) return this.#answered('answered', found, last.answer)
    if (last?.answer) return this.#refused(found, last.answer, last)
    const { redirect } = route
    if (!redirect) return this.#forward(route, request, found)
    const location = redirectLocation(redirect.to, request.path)
    const message = `the route redirects to ${location}`
    return this.#answered('redirected', found, { statusCode: redirect.status, code: null, message }, location)
  }

  async #forward(route: Goal, request: AskedRequest, found: Found): Promise<RequestExplanation> {
    const all = route.pools.reduce((sum, { weight }) => sum + weight, 0)
    const pools = route.pools.map(({ pool, weight }) => ({ pool, probability: weight / all }))
    const likeliest = pools.reduce((best, one) => (one.probability > best.probability ? one : best), {
      pool: '',
      probability: -1,
    })
    const pool = this.#options.pool(likeliest.pool)
    if (!pool) throw new Error(`the pool ${likeliest.pool} is not there any more`)
    const tooLarge = bodyRefusal(route.maxBody ?? pool.settings.maxBody, request)
    if (tooLarge) return this.#refused(found, tooLarge)
    const segments = route.stripPrefix === '' ? 0 : route.stripPrefix.split('/').length - 1
    const path = rewritePath(request.path, segments, route.rewritePrefix)
    if (path === undefined) {
      const message = 'dots in the path lead out of the prefix that backends get'
      return this.#refused(found, { statusCode: 400, code: 'LEASTWISE_BAD_PATH', message })
    }
    const { label, traits } = keyOf(pool, request)
    const explanation = await pool.balancer.explainNext({
      ...traits,
      repeatable: request.repeatable,
      upgrade: request.upgrade,
    })
    const { error } = explanation
    const choice: ExplanationAnswer = { ...explanation, error: error && { statusCode: 503, ...error } }
    const refusal = choice.error && { ...choice.error, location: null }
    return {
      at: this.#now(),
      outcome: refusal ? 'refused' : 'forwarded',
      why: refusal ? `pool ${pool.name}: ${refusal.message}` : `pool ${pool.name}: ${explanation.why}`,
      ...found,
      answer: refusal,
      forward: {
        pool: pool.name,
        pools,
        path,
        headers: changedNames(route.headers.request),
        affinity: label,
        explanation: choice,
      },
    }
  }

  #refused(found: Found, answer: Refusal, at?: RouteStep): RequestExplanation {
    return this.#answered('refused', found, answer, null, at && `${at.step}: ${at.reason}`)
  }

  #answered(
    outcome: RequestExplanation['outcome'],
    found: Found,
    answer: Refusal,
    location: string | null = null,
    why = answer.message,
  ): RequestExplanation {
    return { at: this.#now(), outcome, why, ...found, answer: { ...answer, location }, forward: null }
  }

  #now(): string {
    return this.#options.clock.date().toISOString()
  }
}

const NONE = { set: {}, add: {}, remove: [] }
const NO_CHANGES = {
  stripPrefix: '',
  rewritePrefix: '',
  headers: { request: NONE, response: NONE },
  maxBody: undefined,
}

function bodyRefusal(maxBody: number, { headers }: AskedRequest): Refusal | undefined {
  const length = Number(headers['content-length'] ?? 0)
  if (maxBody === 0 || !(length > maxBody)) return undefined
  const message = `the body has ${length} bytes, and the route takes ${maxBody}`
  return { statusCode: 413, code: 'LEASTWISE_BODY_TOO_LARGE', message }
}

import type { ConfigChange } from '../admin/contract/config.js'
import type { RequestExplanation } from '../admin/contract/request-explanation.js'
import type { RouteView } from '../admin/contract/routes.js'
import { check, listIn } from './responses.js'

/** The functions below check the fields that commands show, and keep unknown fields, which newer gateways may add. */

export type Route = RouteView

export function readRoutes(document: unknown): Route[] {
  return listIn(document, 'routes').map((value) => {
    const route = check<Route>(value, 'the route', {
      name: 'string',
      match: 'object',
      plugins: 'object',
      requests: 'object',
      latency: 'object',
    })
    check(route.match, 'match', { path: 'string', headers: 'object', query: 'object' })
    check(route.requests, 'requests', { total: 'number', failed: 'number', refused: 'number' })
    listIn(route, 'pools')
    listIn(route.plugins, 'deny')
    return route
  })
}

export function readChanges(document: unknown): ConfigChange[] {
  return listIn(document, 'changes').map((change) =>
    check<ConfigChange>(change, 'the change', { kind: 'string', what: 'string', name: 'string' }),
  )
}

export function readRequestExplanation(document: unknown): RequestExplanation {
  const explanation = check<RequestExplanation>(document, 'the answer', { outcome: 'string', why: 'string' })
  for (const candidate of listIn(explanation, 'candidates'))
    check(candidate, 'the candidate', { route: 'string', taken: 'boolean', reason: 'string' })
  for (const step of listIn(explanation, 'steps'))
    check(step, 'the step', { step: 'string', passes: 'boolean', reason: 'string' })
  const { answer, forward } = explanation
  if (answer) check(answer, 'answer', { statusCode: 'number', message: 'string' })
  if (!forward) return explanation
  check(forward, 'forward', { pool: 'string', path: 'string', headers: 'object', explanation: 'object' })
  check(forward.explanation, 'the choice', { why: 'string' })
  for (const name of ['set', 'add', 'remove']) listIn(forward.headers, name)
  for (const pool of listIn(forward, 'pools'))
    check(pool, 'the pool', { pool: 'string', probability: 'number' })
  return explanation
}

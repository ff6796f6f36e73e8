import type { FastifyInstance, RouteOptions } from 'fastify'

/** Constraints of a route, as Fastify has them. */
export type Constraints = Readonly<Record<string, unknown>>

/** A method and a URL that go to a pool. */
interface Claim {
  method: string
  url: string
  constraints: Constraints
  pool: string
}

/** A pool cannot have its routes, because the app or another pool already has them. */
export class RoutesTakenError extends Error {}

/** The routes of all pools, by server, because all scopes of an app share one server. */
const claims = new WeakMap<object, Claim[]>()
/** Whether the route that is being added belongs to a pool. */
let isAddingClaim = false

/**
 * Name and value of the constraint that is given to a route of the app which has the method and URL of a proxied route.
 */
const OWN = 'leastwiseOwn'
/** A constraint that every request meets. */
const ownStrategy = {
  name: OWN,
  storage: () => {
    const handlers = new Map<unknown, unknown>()
    return {
      get: (key: unknown) => handlers.get(key) ?? null,
      set: (key: unknown, handler: unknown) => void handlers.set(key, handler),
    }
  },
  deriveConstraint: () => OWN,
  validate() {},
}

/**
 * Gives routes of the app precedence over those of its pools. This includes routes that are added later, for which
 * Fastify would throw. Such a route gets a constraint that every request meets, because the router prefers the route
 * with more constraints. An app without such routes pays nothing.
 */
export function letOwnRoutesWin(app: FastifyInstance): void {
  if (claims.has(app.server)) return
  const known: Claim[] = []
  claims.set(app.server, known)
  const giveWay = (route: RouteOptions & { url: string }) => {
    if (isAddingClaim) return
    const own = route.constraints ?? {}
    const methods = [route.method].flat()
    const isClaimed = ({ method, url, constraints }: Claim) =>
      methods.includes(method) && shapeOf(url) === shapeOf(route.url) && areSame(constraints, own)
    if (!known.some(isClaimed)) return
    if (!app.hasConstraintStrategy(OWN)) app.addConstraintStrategy(ownStrategy as never)
    route.constraints = { ...own, [OWN]: OWN }
    // The router rejects `*` beside `/*` as the same route, although it tells them apart when it looks up a request.
    if (route.url === '*') route.url = '/*'
  }
  // Later scopes inherit the hook; the scopes around this one exist already and need it added.
  for (let scope = app; 'addHook' in scope; scope = Object.getPrototypeOf(scope)) {
    scope.addHook('onRoute', giveWay as (route: RouteOptions) => void)
  }
}

/**
 * Adds a route of a pool for those of its methods for which the app has no route.
 * @returns those methods
 * @throws {RoutesTakenError} where another pool has the route for one of the methods
 */
export function addBehindOwn(
  scope: FastifyInstance,
  pool: string,
  { method, url, constraints, ...route }: RouteOptions & { method: string[]; constraints: Constraints },
): string[] {
  const whole = scope.prefix.endsWith('/') ? scope.prefix + url.slice(1) : scope.prefix + url
  const known = claims.get(scope.server) as Claim[]
  const others = known.filter(
    (claim) =>
      method.includes(claim.method) &&
      shapeOf(claim.url) === shapeOf(whole) &&
      areSame(claim.constraints, constraints),
  )
  // The message names one of the other claims, if possible the one for GET.
  const other = others.find((claim) => claim.method === 'GET') ?? others[0]
  if (other) throw new RoutesTakenError(`${other.method} ${whole} goes to the pool "${other.pool}" already`)
  const free = method.filter((name) => !scope.hasRoute({ method: name as 'GET', url: whole, constraints }))
  if (free.length === 0) return free
  isAddingClaim = true
  try {
    scope.route({ ...route, method: [...free], url, constraints })
  } finally {
    isAddingClaim = false
  }
  for (const name of free) known.push({ method: name, url: whole, constraints, pool })
  return free
}

/**
 * One spelling for all URLs that a router treats as the same, depending on its options for case, slashes and
 * parameters.
 */
function shapeOf(url: string): string {
  const shape = url
    .toLowerCase()
    .replace(/\/{2,}/g, '/')
    .replace(/(?<!:):(?!:)[^/*]+/g, ':')
    .replace(/(?<=.)\/$/, '')
  return shape === '*' ? '/*' : shape
}

function areSame(one: Constraints, other: Constraints): boolean {
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => name in other && String(one[name]) === String(other[name]))
  )
}

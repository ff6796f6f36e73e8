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

/** A pool cannot have its routes. */
export class RoutesTakenError extends Error {}

/** What the pools of an app have claimed, by its server, which all scopes of an app share. */
const claims = new WeakMap<object, Claim[]>()
/** Whether the route that is being added is a pool's. */
let adding = false

/** A constraint, by name and value, of routes of the app that have method and URL of a proxied one. Every request fulfils it. */
const OWN = 'leastwiseOwn'
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
 * Has routes of the app win over those of its pools: those that come later, too, for which Fastify would throw. Such
 * a route gets a constraint that every request fulfils, and of two routes the router takes the one with more of
 * them. An app that has none pays nothing.
 */
export function letOwnRoutesWin(app: FastifyInstance): void {
  if (claims.has(app.server)) return
  const known: Claim[] = []
  claims.set(app.server, known)
  const giveWay = (route: RouteOptions & { url: string }) => {
    if (adding) return
    const own = route.constraints ?? {}
    const methods = [route.method].flat()
    const isClaimed = ({ method, url, constraints }: Claim) =>
      methods.includes(method) && shapeOf(url) === shapeOf(route.url) && areSame(constraints, own)
    if (!known.some(isClaimed)) return
    if (!app.hasConstraintStrategy(OWN)) app.addConstraintStrategy(ownStrategy as never)
    route.constraints = { ...own, [OWN]: OWN }
    // The router refuses `*` and `/*` as the same route, but tells them apart where it looks for that of a request.
    if (route.url === '*') route.url = '/*'
  }
  // Scopes that are yet to come take the hook over; those around this one are there already.
  for (let scope = app; 'addHook' in scope; scope = Object.getPrototypeOf(scope)) {
    scope.addHook('onRoute', giveWay as (route: RouteOptions) => void)
  }
}

/**
 * Adds a route for those of its methods that no route of the app has; returns which they are.
 * @throws {RoutesTakenError} where another pool has one of them
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
  // One claim is enough for the message: that of GET, if there is one.
  const other = others.find((claim) => claim.method === 'GET') ?? others[0]
  if (other) throw new RoutesTakenError(`${other.method} ${whole} goes to the pool "${other.pool}" already`)
  const free = method.filter((name) => !scope.hasRoute({ method: name as 'GET', url: whole, constraints }))
  if (free.length === 0) return free
  adding = true
  try {
    scope.route({ ...route, method: [...free], url, constraints })
  } finally {
    adding = false
  }
  for (const name of free) known.push({ method: name, url: whole, constraints, pool })
  return free
}

/** One spelling for all URLs that a router may take for the same, by its options for case, slashes and parameters. */
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

import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import type { RoutedRequest, RouteMatch } from '../../src/routing/route-match.js'
import { RouteTable } from '../../src/routing/route-table.js'
import { run, whole } from '../command.js'
import { table } from '../table.js'

const ROUNDS = 9
const REQUESTS = 20_000
/** A prime, so that requests come in an order that no cache foresees. */
const STRIDE = 7919

const headers = {
  host: 'x',
  accept: '*/*',
  'user-agent': 'Mozilla/5.0',
  cookie: 'a=b',
  'cache-control': 'no-cache',
}
const anything: RouteMatch = { host: undefined, path: '', methods: undefined, headers: {}, query: {} }

/** Routes, and requests that each of them takes. */
interface Shape {
  name: string
  match(index: number): Partial<RouteMatch>
  request(index: number): Partial<RoutedRequest>
}

const shapes: Shape[] = [
  {
    name: 'host',
    match: (i) => ({ host: `h${i}.example.com` }),
    request: (i) => ({ host: `h${i}.example.com:8080` }),
  },
  {
    name: '*.host',
    match: (i) => ({ host: `*.h${i}.example.com` }),
    request: (i) => ({ host: `a.h${i}.example.com` }),
  },
  { name: 'path', match: (i) => ({ path: `/p${i}/x` }), request: (i) => ({ path: `/p${i}/x/users/17` }) },
  {
    name: 'header field',
    match: (i) => ({ headers: { 'x-tenant': `${i}` } }),
    request: (i) => ({ headers: { ...headers, 'x-tenant': `${i}` } }),
  },
  {
    name: 'query parameter',
    match: (i) => ({ query: { tenant: `${i}` } }),
    request: (i) => ({ path: `/a?x=1&tenant=${i}` }),
  },
  {
    name: 'path, with an escaped slash',
    match: (i) => ({ path: `/p${i}` }),
    request: (i) => ({ path: `/p${i}/a%2Fb` }),
  },
]

/** Measures how long a table of routes takes to make, and a request to match. */
function measure({ match, request }: Shape, count: number): { build: number; cost: number } {
  const routes = Array.from({ length: count }, (_, i) => ({ match: { ...anything, ...match(i) } }))
  const start = performance.now()
  const table = new RouteTable(routes)
  const build = performance.now() - start
  const requests = Array.from({ length: count }, (_, i): RoutedRequest => {
    return { method: 'GET', host: 'api.example.com', path: '/users/17', headers, ...request(i) }
  })
  const costs = Array.from({ length: ROUNDS }, (_, round) => {
    const picked = Array.from(
      { length: REQUESTS },
      (_, i) => requests[((round + i) * STRIDE) % count] as RoutedRequest,
    )
    const before = process.cpuUsage()
    for (const one of picked)
      if (typeof table.find(one) !== 'number') throw new Error('a request found no route')
    const { user, system } = process.cpuUsage(before)
    return (user + system) / REQUESTS
  })
  return { build, cost: costs.sort((a, b) => a - b)[ROUNDS >> 1] as number }
}

/** Measures what it would take to have a scope of Fastify for each route, with every method. */
async function measureScopes(count: number): Promise<number> {
  const start = performance.now()
  const app = Fastify()
  for (let i = 0; i < count; i++) {
    app.register(async (scope) => {
      scope.addHook('onRequest', (_request, _reply, done) => done())
      scope.route({
        method: app.supportedMethods,
        url: `/p${i}/*`,
        handler: async () => '',
        exposeHeadRoute: false,
      })
    })
  }
  await app.ready()
  const seconds = (performance.now() - start) / 1000
  await app.close()
  return seconds
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      routes: { type: 'string', default: '10000' },
      scopes: { type: 'string', default: '1000' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(
      'npm run bench -- match [--routes 10000] [--scopes 1000]\n\nWhat it costs to find the route of a request.',
    )
    return 0
  }
  const routes = whole('routes', values.routes, 1, 100_000)
  const scopes = whole('scopes', values.scopes, 1, 100_000)
  const rows = shapes.map((shape) => {
    const { build, cost } = measure(shape, routes)
    return [shape.name, build.toFixed(0), cost.toFixed(1)]
  })
  console.log(table([`${routes} routes by`, 'table in ms', 'µs of CPU for a match'], rows))
  const seconds = await measureScopes(scopes)
  console.log(`\n${scopes} scopes of Fastify: ${seconds.toFixed(1)} s`)
  return 0
}

run('bench match', main)

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import cors from '@fastify/cors'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'

const named = (name: string) =>
  new TestBackend((request, response) => {
    request.resume().once('end', () => response.end(`${name} ${request.method} ${request.url}`))
  }).listen()
const backend = await named('pool')
const other = await named('other')
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  await writeFile(join(folder, 'index.html'), 'a page')
})
after(() => Promise.all([backend.close(), other.close(), rm(folder, { recursive: true })]))

const everything = { backends: [backend.url] }

/** Builds an app whose own part comes before or after the pool, and is in `scope` or the app itself. */
async function build(
  when: 'before' | 'after',
  own: (app: FastifyInstance) => unknown,
  options: LeastwiseOptions = everything,
): Promise<FastifyInstance> {
  const app = Fastify()
  if (when === 'before') await own(app)
  await app.register(leastwise, options)
  if (when === 'after') await own(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

const ask = async (app: FastifyInstance, method: string, path: string, headers = {}) => {
  const { status, text } = await call(app.listeningOrigin + path, { method: method as 'GET', headers })
  return status === 200 ? text : status
}

for (const when of ['before', 'after'] as const) {
  test(`own routes ${when} a pool for everything win, and what they leave goes to the pool`, async (t) => {
    const app = await build(when, (own) => {
      own.get('/', async ({ routeOptions }) => `own ${routeOptions.url}`)
      own.get('/hello', async () => 'own hello')
      own.post('/users/:id', async () => 'own user')
      own.all('/all/*', async () => 'own all')
    })
    t.after(() => app.close())
    assert.equal(await ask(app, 'GET', '/'), 'own /')
    assert.equal(await ask(app, 'GET', '/?x=1'), 'own /')
    assert.equal(await ask(app, 'HEAD', '/'), '')
    assert.equal(await ask(app, 'GET', '/hello'), 'own hello')
    assert.equal(await ask(app, 'POST', '/users/1'), 'own user')
    assert.equal(await ask(app, 'GET', '/all/x'), 'own all')
    assert.equal(await ask(app, 'POST', '/'), 'pool POST /')
    assert.equal(await ask(app, 'GET', '/users/1'), 'pool GET /users/1')
    assert.equal(await ask(app, 'POST', '/hello'), 'pool POST /hello')
    assert.equal(await ask(app, 'GET', '/nothing'), 'pool GET /nothing')
  })

  test(`an own route for everything ${when} the pool has its methods, the pool the others`, async (t) => {
    for (const url of ['*', '/*']) {
      const app = await build(when, (own) => own.get(url, async () => 'own'))
      t.after(() => app.close())
      assert.equal(await ask(app, 'GET', '/x/y'), 'own')
      assert.equal(await ask(app, 'GET', '/'), 'own')
      assert.equal(await ask(app, 'POST', '/x/y'), 'pool POST /x/y')
      const total = backend.total
      await ask(app, 'HEAD', '/x')
      assert.equal(backend.total, total, "HEAD goes with the app's GET")
    }
  })

  test(`the same under a prefix, ${when} the pool`, async (t) => {
    const app = await build(
      when,
      (own) => {
        own.get('/api', async () => 'own root')
        own.get('/api/*', async () => 'own')
        own.register(async (scope) => scope.delete('/*', async () => 'own in a scope'), { prefix: '/api' })
      },
      { ...everything, prefix: '/api' },
    )
    t.after(() => app.close())
    assert.equal(await ask(app, 'GET', '/api'), 'own root')
    assert.equal(await ask(app, 'GET', '/api/x'), 'own')
    assert.equal(await ask(app, 'DELETE', '/api/x'), 'own in a scope')
    assert.equal(await ask(app, 'POST', '/api'), 'pool POST /')
    assert.equal(await ask(app, 'POST', '/api/x'), 'pool POST /x')
    assert.equal(await ask(app, 'GET', '/x'), 404)
  })

  test(`@fastify/static and @fastify/cors ${when} the pool`, async (t) => {
    const app = await build(when, async (own) => {
      await own.register(fastifyStatic, { root: folder, prefix: '/' })
      await own.register(cors, { origin: ['https://shop.example'] })
    })
    t.after(() => app.close())
    assert.equal(await ask(app, 'GET', '/'), 'a page')
    assert.equal(await ask(app, 'GET', '/index.html'), 'a page')
    const preflight = { origin: 'https://shop.example', 'access-control-request-method': 'POST' }
    const answer = await call(`${app.listeningOrigin}/x`, { method: 'OPTIONS', headers: preflight })
    assert.deepEqual(
      [answer.status, answer.headers['access-control-allow-origin']],
      [204, 'https://shop.example'],
    )
    assert.equal(await ask(app, 'POST', '/x', { origin: 'https://shop.example' }), 'pool POST /x')
  })

  test(`files that are there are the app's, ${when} the pool, and the rest the pool's`, async (t) => {
    const app = await build(when, (own) =>
      own.register(fastifyStatic, { root: folder, prefix: '/', wildcard: false }),
    )
    t.after(() => app.close())
    assert.equal(await ask(app, 'GET', '/'), 'a page')
    assert.equal(await ask(app, 'GET', '/missing.html'), 'pool GET /missing.html')
  })

  test(`a constraint of an own route ${when} the pool leaves other requests to the pool`, async (t) => {
    const app = await build(when, (own) => {
      own.get('/', { constraints: { host: 'own.example' } }, async () => 'own host')
      own.get('/*', { constraints: { host: 'own.example' } }, async () => 'own host')
    })
    t.after(() => app.close())
    for (const path of ['/', '/x']) {
      assert.equal(await ask(app, 'GET', path, { host: 'own.example' }), 'own host')
      assert.equal(await ask(app, 'GET', path, { host: 'b.example' }), `pool GET ${path}`)
    }
  })
}

test('a pool in a scope gives way to routes of the scopes around it', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(async (scope) => {
    await scope.register(leastwise, everything)
    scope.get('/', async () => 'own in the scope')
  })
  app.get('/*', async () => 'own beside the scope')
  app.register(async (scope) => scope.post('/*', async () => 'own in another'))
  await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(await ask(app, 'GET', '/'), 'own in the scope')
  assert.equal(await ask(app, 'GET', '/x'), 'own beside the scope')
  assert.equal(await ask(app, 'POST', '/x'), 'own in another')
  assert.equal(await ask(app, 'PUT', '/x'), 'pool PUT /x')
})

test('two own routes of one kind are as wrong as ever', async () => {
  const app = Fastify()
  await app.register(leastwise, everything)
  app.get('/*', async () => 'own')
  assert.throws(() => app.get('/*', async () => 'own'), { code: 'FST_ERR_DUPLICATED_ROUTE' })
})

test('own routes win in an app that compares URLs loosely', async (t) => {
  const app = Fastify({
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false },
  })
  t.after(() => app.close())
  await app.register(leastwise, { ...everything, prefix: '/api' })
  app.get('/API/', async () => 'own')
  await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(await ask(app, 'GET', '/api'), 'own')
  assert.equal(await ask(app, 'GET', '/api/x'), 'pool GET /x')
})

test('`methods` are proxied, no others', async (t) => {
  const routes: RouteOptions[] = []
  const app = Fastify()
  t.after(() => app.close())
  app.addHook('onRoute', (route) => void routes.push(route))
  await app.register(leastwise, { ...everything, methods: ['GET', 'post', 'PROPFIND'] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(await ask(app, 'GET', '/x'), 'pool GET /x')
  assert.equal(await ask(app, 'POST', '/x'), 'pool POST /x')
  assert.equal(await ask(app, 'PROPFIND', '/x'), 'pool PROPFIND /x')
  for (const method of ['HEAD', 'PUT', 'OPTIONS', 'TRACE']) assert.equal(await ask(app, method, '/x'), 404)
  assert.deepEqual(routes.flatMap(({ method }) => method).sort(), ['GET', 'POST', 'PROPFIND'])
})

test('pools may share a prefix by methods, or by host', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const add = (name: string, options: LeastwiseOptions) =>
    app.register(leastwise, { name, prefix: '/api', backends: [other.url], ...options })
  await add('writes', { methods: ['POST'], backends: [backend.url] })
  await add('reads', { methods: ['GET'] })
  await add('a', { constraints: { host: 'a.example' } })
  await add('b', { constraints: { host: /^b\d\.example$/ }, backends: [backend.url] })
  await add('v2', { constraints: { version: '2.0.0' } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(await ask(app, 'POST', '/api/x'), 'pool POST /x')
  assert.equal(await ask(app, 'GET', '/api/x'), 'other GET /x')
  assert.equal(await ask(app, 'POST', '/api/x', { host: 'a.example' }), 'other POST /x')
  assert.equal(await ask(app, 'GET', '/api', { host: 'b1.example' }), 'pool GET /')
  assert.equal(await ask(app, 'PUT', '/api/x'), 404)
  assert.equal(await ask(app, 'PUT', '/api/x', { 'accept-version': '2.x' }), 'other PUT /x')
  const totals = [...app.balancers].map(([name, { registry }]) => [name, registry.list()[0]?.leases.total])
  assert.deepEqual(totals, [
    ['writes', 1],
    ['reads', 1],
    ['a', 1],
    ['b', 1],
    ['v2', 1],
  ])
})

test('what cannot be is told with the method and the URL', async () => {
  const twice = Fastify()
  await twice.register(leastwise, { ...everything, name: 'users', prefix: '/api' })
  await assert.rejects(
    async () => await twice.register(leastwise, { ...everything, name: 'two', prefix: '/api' }),
    /option "prefix" does not accept "\/api": GET \/api goes to the pool "users" already/,
  )
  const full = Fastify()
  full.get('/*', async () => 'own')
  await assert.rejects(
    async () => await full.register(leastwise, { ...everything, methods: ['GET'] }),
    /option "prefix" does not accept "": GET \/\* are routes of the app already/,
  )
  const admin = Fastify()
  admin.get('/admin/backends', async () => 'own')
  await assert.rejects(
    async () => await admin.register(leastwise, { prefix: '/api', admin: { token: 'x' } }),
    /option "admin.prefix" does not accept "\/admin": .*GET.*\/admin\/backends/,
  )
  const unknown = Fastify()
  await assert.rejects(
    async () => await unknown.register(leastwise, { constraints: { tenant: 'a' } }),
    /option "constraints.tenant" is not known/,
  )
})

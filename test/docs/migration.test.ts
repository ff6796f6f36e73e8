import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { find } from '../support/front-proxies.js'
import { type Ask, ask, type Origin, type Outcome, origins, startBoth } from '../support/migrations.js'

const [api, www] = ['api.example.com', 'www.example.com']
const ali = { authorization: `Basic ${Buffer.from('ali:let-me-in').toString('base64')}` }
const origin = 'https://app.example.com'
const upgrade = { connection: 'Upgrade', upgrade: 'websocket' }
const large = Buffer.alloc(1_048_577)

/** A request, and what it must come to at the proxy and at the gateway alike. */
type Case = [request: Ask, comesTo: string]

/** What a proxy and the gateway must have in common, in one line. */
function summary({ host, path }: Ask, { status, headers, backend }: Outcome): string {
  const to = headers.location && new URL(headers.location, `http://${host}${path}`)
  const fields = {
    // nginx names itself with its port, and the gateway leaves the host to the client.
    location: to && `${to.protocol}//${to.hostname}${to.pathname}${to.search}`,
    frame: headers['x-frame-options'],
    powered: headers['x-powered-by'],
    encoding: headers['content-encoding'],
    origin: headers['access-control-allow-origin'],
    methods: headers['access-control-allow-methods'],
    age: headers['access-control-max-age'],
    asks: headers['www-authenticate']?.split(' ')[0],
    ...(backend && {
      host: backend.headers.host === host ? undefined : backend.headers.host,
      user: backend.headers['x-user'],
      secret: backend.headers.authorization,
      debug: backend.headers['x-debug'],
      from: backend.headers['x-forwarded-for'],
      proto: backend.headers['x-forwarded-proto'],
    }),
  }
  const told = Object.entries(fields).flatMap(([name, value]) => (value ? [`${name}=${value}`] : []))
  return [status, ...(backend ? [backend.pool, backend.path] : []), ...told].join(' ')
}

const told = 'from=127.0.0.1 proto=http'
const php = `powered=PHP ${told}`

const cases: Record<Origin['program'], Case[]> = {
  nginx: [
    [{ host: api, path: '/users/7?a=1' }, `200 users /v2/7?a=1 ${php}`],
    [{ host: `${api.toUpperCase()}:8080`, path: '/users/7' }, `200 users /v2/7 ${php}`],
    [{ host: api, path: '/users/a%20b', method: 'PUT' }, `200 users /v2/a%20b ${php}`],
    [{ host: api, path: '/users/7', headers: { 'x-forwarded-for': '10.9.9.9' } }, `200 users /v2/7 ${php}`],
    [{ host: api, path: '/orders/1' }, `200 users /orders/1 frame=DENY ${told}`],
    [{ host: api, path: '/orders', method: 'POST', body: large }, '413'],
    [
      { host: api, path: '/orders', method: 'POST', body: large.subarray(1) },
      `200 users /orders frame=DENY ${told}`,
    ],
    [{ host: api, path: '/reports' }, '401 asks=Basic'],
    [{ host: api, path: '/reports', headers: { authorization: 'Basic YWxpOm5v' } }, '401 asks=Basic'],
    [
      { host: api, path: '/reports', headers: { ...ali, 'x-user': 'eve' } },
      '200 users /reports powered=PHP user=ali from=127.0.0.1 proto=http',
    ],
    [{ host: api, path: '/login', method: 'POST' }, `200 users /login ${php}`],
    [{ host: api, path: '/login', method: 'POST' }, `200 users /login ${php}`],
    [{ host: api, path: '/login', method: 'POST' }, `200 users /login ${php}`],
    [{ host: api, path: '/login', method: 'POST' }, '429'],
    [
      { host: api, path: '/login', method: 'POST', from: '127.0.0.2' },
      '200 users /login powered=PHP from=127.0.0.2 proto=http',
    ],
    [{ host: api, path: '/internal/x' }, `200 users /internal/x ${php}`],
    [{ host: api, path: '/internal/x', from: '127.0.0.2' }, '403'],
    [
      { host: api, path: '/public', headers: { origin } },
      `200 users /public powered=PHP origin=${origin} ${told}`,
    ],
    [
      {
        host: api,
        path: '/public',
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      },
      `204 origin=${origin} methods=GET, POST age=600`,
    ],
    [{ host: api, path: '/chat/1', headers: upgrade }, '101 chat /chat/1'],
    [{ host: api, path: '/other' }, '404'],
    [{ host: api, path: '/USERS/7' }, '404'],
    [
      { host: www, path: '/', headers: { 'accept-encoding': 'gzip' } },
      `200 pages / powered=PHP encoding=gzip ${told}`,
    ],
    [{ host: www, path: '/a?b=c' }, `200 pages /a?b=c ${php}`],
    [{ host: www, path: '/pricing' }, '301 location=http://www.example.com/plans'],
    [{ host: 'old.example.com', path: '/a?b=c' }, '301 location=https://www.example.com/a?b=c'],
    [{ host: 'a.tenants.example.com', path: '/x' }, `200 pages /x ${php}`],
    [{ host: 'a.b.tenants.example.com', path: '/x' }, `200 pages /x ${php}`],
    [{ host: 'tenants.example.com', path: '/x' }, '404'],
    [{ host: 'unknown.example', path: '/' }, '404'],
    [{ host: api, path: '/users/slow' }, '504'],
  ],
  caddy: [
    [{ host: api, path: '/users/7?a=1' }, `200 users /v2/7?a=1 ${told}`],
    [{ host: api.toUpperCase(), path: '/users/7' }, `200 users /v2/7 ${told}`],
    [{ host: api, path: '/users/a%20b', method: 'PUT' }, `200 users /v2/a%20b ${told}`],
    [
      { host: api, path: '/users/7', headers: { 'x-debug': '1', 'x-forwarded-for': '10.9.9.9' } },
      `200 users /v2/7 ${told}`,
    ],
    [{ host: api, path: '/orders/1' }, `200 users /orders/1 frame=DENY ${told}`],
    [
      { host: api, path: '/orders', method: 'POST', body: large.subarray(1) },
      `200 users /orders frame=DENY ${told}`,
    ],
    [{ host: api, path: '/reports' }, '401 asks=Basic'],
    [{ host: api, path: '/reports', headers: { authorization: 'Basic YWxpOm5v' } }, '401 asks=Basic'],
    [
      { host: api, path: '/reports', headers: { ...ali, 'x-user': 'eve' } },
      '200 users /reports powered=PHP user=ali from=127.0.0.1 proto=http',
    ],
    [{ host: api, path: '/internal/x' }, `200 users /internal/x ${told}`],
    [{ host: api, path: '/internal/x', from: '127.0.0.2' }, '403'],
    [{ host: api, path: '/beta/1' }, `200 users /beta/1 ${told}`],
    [{ host: api, path: '/beta/1', headers: { 'x-version': '2' } }, `200 next /beta/1 ${php}`],
    [{ host: api, path: '/beta/1', headers: { 'x-version': '3' } }, `200 users /beta/1 ${told}`],
    [{ host: api, path: '/chat/1', headers: upgrade }, '101 chat /chat/1'],
    [{ host: api, path: '/other' }, '404'],
    [
      { host: www, path: '/', headers: { 'accept-encoding': 'gzip' } },
      `200 pages / powered=PHP encoding=gzip ${told}`,
    ],
    [{ host: www, path: '/a?b=c' }, `200 pages /a?b=c ${php}`],
    [{ host: www, path: '/pricing' }, '301 location=http://www.example.com/plans'],
    [{ host: 'old.example.com', path: '/a?b=c' }, '301 location=https://www.example.com/a?b=c'],
    [{ host: 'a.tenants.example.com', path: '/x' }, `200 pages /x ${php}`],
    [{ host: 'tenants.example.com', path: '/x' }, '404'],
    [{ host: 'unknown.example', path: '/' }, '404'],
    [{ host: api, path: '/users/slow' }, '504'],
  ],
}

/** What the guides say is different: the request, then what it comes to at the proxy and at the gateway. */
const different: Record<Origin['program'], [Ask, proxy: string, gateway: string][]> = {
  nginx: [
    [{ host: api, path: '/users' }, '301 location=http://api.example.com/users/', `200 users /v2 ${php}`],
    [{ host: api, path: '/orders2' }, `200 users /orders2 frame=DENY ${told}`, '404'],
    [{ host: api, path: '/users/../orders' }, `200 users /users/../orders frame=DENY ${told}`, '400'],
  ],
  caddy: [
    [{ host: api, path: '/users' }, '404', `200 users /v2 ${told}`],
    [{ host: api, path: '/orders2' }, `200 users /orders2 frame=DENY ${told}`, '404'],
    [{ host: api, path: '/USERS/7' }, `200 users /v2/7 ${told}`, '404'],
    [{ host: api, path: '/orders', method: 'POST', body: large }, '502 frame=DENY', '413'],
    [{ host: 'a.b.tenants.example.com', path: '/x' }, '404', `200 pages /x ${php}`],
  ],
}

describe('files of other proxies and their counterparts', { concurrency: true }, () => {
  for (const [program, requests] of Object.entries(cases) as [Origin['program'], Case[]][]) {
    test(`${program} and the gateway do the same`, async (t) => {
      const path = find(program)
      if (!path) return t.skip(`${program} is not installed`)
      const { proxy, gateway } = await startBoth(t, origins[program], path)
      for (const [request, atProxy, atGateway] of different[program]) {
        const where = JSON.stringify(request)
        assert.equal(summary(request, await ask(proxy, request)), atProxy, `${program}: ${where}`)
        assert.equal(summary(request, await ask(gateway, request)), atGateway, `gateway: ${where}`)
      }
      for (const [request, comesTo] of requests) {
        const where = JSON.stringify({ ...request, body: request.body?.length })
        assert.equal(summary(request, await ask(proxy, request)), comesTo, `${program}: ${where}`)
        assert.equal(summary(request, await ask(gateway, request)), comesTo, `gateway: ${where}`)
      }
    })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Balancer } from '../../../src/balancer/index.js'
import { policies } from '../../../src/balancer/selection/policies/index.js'
import leastwise from '../../../src/index.js'

const headers = { host: 'localhost' }

async function admin(token?: string) {
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', new Balancer()]]), token })
  return app
}

/** Names in the page, as a browser would ask for them. */
const linked = (html: string) =>
  [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1] as string)

test('the page and all that it names are there, without a token, and with headers that lock it up', async () => {
  const app = await admin('secret')
  const html = await app.inject({ url: '/', headers })
  assert.equal(html.statusCode, 200)
  assert.equal(html.headers['content-type'], 'text/html; charset=utf-8')
  assert.doesNotMatch(html.body, /<style|style="|<script(?![^>]* src=)|\bon\w+="|https?:\/\/(?!10\.)/)
  const names = linked(html.body).filter((name) => name !== 'backends')
  assert.ok(names.length >= 5)
  const seen = new Set<string>()
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (seen.has(name)) continue
    seen.add(name)
    assert.match(name, /^dashboard\/[a-z-]+\.(js|css|svg)$/)
    const reply = await app.inject({ url: `/${name}`, headers })
    assert.equal(reply.statusCode, 200, name)
    assert.match(
      String(reply.headers['content-type']),
      /^(text\/(javascript|css); charset=utf-8|image\/svg\+xml)$/,
    )
    for (const answer of [html, reply]) {
      assert.match(
        String(answer.headers['content-security-policy']),
        /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'/,
      )
      assert.doesNotMatch(String(answer.headers['content-security-policy']), /unsafe|data:|\*/)
      assert.equal(answer.headers['x-content-type-options'], 'nosniff')
      assert.equal(answer.headers['referrer-policy'], 'no-referrer')
      assert.equal(answer.headers['cache-control'], 'no-cache')
    }
    // And what that imports, which is nothing but scripts of the page.
    assert.doesNotMatch(reply.body, /^(import|export) .*from '(?!\.\/)/m)
    for (const [, module] of reply.body.matchAll(/^import .*from '\.\/([^']+)'/gm))
      names.push(`dashboard/${module}`)
  }
  assert.ok(seen.has('dashboard/connection.js'))
  await app.close()
})

test('the page offers every policy, in the words of the table of policies', async () => {
  const app = await admin()
  const { body } = await app.inject({ url: '/', headers })
  const offered = [...body.matchAll(/<option value="([^"]+)">([^<]+)<\/option>/g)].map(
    ([, ...option]) => option,
  )
  assert.deepEqual(
    offered,
    Object.entries(policies).map(([name, { meaning }]) => [name, meaning]),
  )
  await app.close()
})

test('what a browser has is not sent again', async () => {
  const app = await admin()
  for (const url of ['/', '/dashboard/main.js']) {
    const { headers: sent } = await app.inject({ url, headers })
    const etag = String(sent.etag)
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await app.inject({ url, headers: { ...headers, 'if-none-match': known } })
      assert.deepEqual([again.statusCode, again.body, again.headers.etag], [304, '', etag])
    }
    const other = await app.inject({ url, headers: { ...headers, 'if-none-match': '"x"' } })
    assert.equal(other.statusCode, 200)
    const head = await app.inject({ method: 'HEAD', url, headers })
    assert.deepEqual([head.statusCode, head.body, head.headers.etag], [200, '', etag])
  }
  await app.close()
})

test('nothing else is sent, whatever is asked for', async () => {
  const app = await admin()
  for (const url of [
    '/dashboard',
    '/dashboard/',
    '/dashboard/nothing.js',
    '/dashboard/main.d.ts',
    '/dashboard/tsconfig.json',
    '/dashboard/constructor',
    '/dashboard/..%2fadmin.js',
    '/dashboard/..%2f..%2f..%2fpackage.json',
    '/dashboard/%2e%2e/%2e%2e/package.json',
    '/dashboard/../../package.json',
    '/dashboard/..\\admin.js',
  ]) {
    const reply = await app.inject({ url, headers })
    assert.deepEqual([reply.statusCode, reply.json().code], [404, 'LEASTWISE_NOT_FOUND'], url)
  }
  for (const method of ['POST', 'PUT', 'DELETE'] as const) {
    assert.equal((await app.inject({ method, url: '/', headers })).statusCode, 404)
    assert.equal((await app.inject({ method, url: '/dashboard/main.js', headers })).statusCode, 404)
  }
  const foreign = await app.inject({ url: '/', headers: { host: 'evil.example' } })
  assert.equal(foreign.statusCode, 403, 'without a token it is for this machine only')
  await app.close()
})

test('under a prefix it is relative, and found without the last slash, too', async () => {
  const app = Fastify()
  app.get('/dashboard/main.js', async () => 'of the app')
  await app.register(leastwise, { prefix: '/api', admin: { prefix: '/ops/admin', token: 'x' } })
  const bare = await app.inject({ url: '/ops/admin?x=1' })
  assert.deepEqual([bare.statusCode, bare.headers.location], [308, 'admin/'])
  const { body, statusCode } = await app.inject({ url: '/ops/admin/' })
  assert.equal(statusCode, 200)
  for (const name of linked(body).filter((name) => name !== 'backends')) {
    assert.equal((await app.inject({ url: `/ops/admin/${name}` })).statusCode, 200, name)
  }
  assert.equal((await app.inject({ url: '/dashboard/main.js' })).body, 'of the app')
  await app.close()
})

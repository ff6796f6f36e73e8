import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { docsPage } from '../../../src/admin/reference-page/page.js'
import leastwise from '../../../src/index.js'
import { describedAdmin } from '../../support/described.js'

const headers = { host: 'localhost:3001' }

test('/docs shows every call, answer and code, and links lead somewhere', async () => {
  const { app, calls, document } = await describedAdmin('t')
  const { statusCode, body } = await app.inject({ url: '/docs', headers })
  assert.equal(statusCode, 200)
  for (const { method, path, call } of calls) {
    assert.ok(body.includes(`<h3 id="${call.operationId}"><code>${method} ${path}</code></h3>`), path)
    for (const status of Object.keys(call.responses)) assert.ok(body.includes(`<code>${status}</code>`))
  }
  for (const name of Object.keys(document.components.schemas)) assert.ok(body.includes(`id="schema-${name}"`))
  const ids = new Set([...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
  const links = [...body.matchAll(/ href="([^"]+)"/g)].map(([, link = '']) => link)
  assert.ok(links.length > calls.length)
  for (const link of links) {
    if (link.startsWith('#')) assert.ok(ids.has(link.slice(1)), link)
    else assert.equal((await app.inject({ url: `/${link}`, headers })).statusCode, 200, link)
  }
  assert.equal((await app.inject({ method: 'HEAD', url: '/docs', headers })).statusCode, 200)
})

test('a browser runs nothing of it and loads nothing from elsewhere', async () => {
  const { app } = await describedAdmin()
  const page = await app.inject({ url: '/docs', headers })
  const policy = String(page.headers['content-security-policy'])
  assert.match(policy, /^default-src 'none'; style-src 'self';/)
  assert.doesNotMatch(policy, /unsafe|script|https?:|\*/)
  assert.doesNotMatch(page.body, /<script|<style|<img|<iframe|<form|\sstyle=|\son\w+=|src=/i)
  for (const [, link = ''] of page.body.matchAll(/ href="([^"]+)"/g)) assert.doesNotMatch(link, /:|^\//)
  const style = await app.inject({ url: '/docs/style.css', headers })
  assert.equal(style.headers['content-type'], 'text/css; charset=utf-8')
  assert.doesNotMatch(style.body, /url\(|@import/)
  for (const url of ['/docs', '/docs/style.css', '/openapi.json']) {
    assert.equal((await app.inject({ url, headers: { host: 'evil.example' } })).statusCode, 403, url)
  }
})

test('with a token the page and the description need none, and the examples send it', async () => {
  const { app } = await describedAdmin('t')
  for (const url of ['/docs', '/docs/style.css', '/openapi.json']) {
    assert.equal((await app.inject({ url, headers: { host: 'admin.example' } })).statusCode, 200, url)
  }
  const { body } = await app.inject({ url: '/docs', headers: { host: 'admin.example' } })
  assert.ok(body.includes('curl -H &#34;Authorization: Bearer $ADMIN_TOKEN&#34; http://admin.example/pool'))
  assert.ok(body.includes('curl http://admin.example/livez'))
  const open = await (await describedAdmin()).app.inject({ url: '/docs', headers })
  assert.doesNotMatch(open.body, /ADMIN_TOKEN&#34;/)
})

test('a host that is none does not get into a command', async () => {
  const { app } = await describedAdmin('t')
  for (const host of ['x;id', '$(id)', '`id`', "x'y", 'x y']) {
    const { body } = await app.inject({ url: '/docs', headers: { host } })
    assert.ok(body.includes('curl http://localhost/livez'), host)
    assert.ok(!body.includes(host), host)
  }
})

test('whatever a description says, it is text on the page', async () => {
  const { document } = await describedAdmin('t')
  const evil = `<script>alert("1")</script>'&`
  const poison = (node: unknown, key = ''): unknown => {
    if (Array.isArray(node)) return node.map((item) => poison(item))
    if (typeof node === 'object' && node !== null) {
      return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, poison(value, name)]))
    }
    return ['description', 'summary', 'detail', 'url', 'id', 'message'].includes(key) ? evil : node
  }
  const page = String(docsPage(poison(document) as typeof document, `http://x/${evil}`))
  assert.doesNotMatch(page, /<script|alert\("|<\/script/)
  assert.ok(page.includes('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;&#38;'))
})

test('the examples for a shell are what the description says', async () => {
  const { app } = await describedAdmin()
  const { body } = await app.inject({ url: '/docs', headers })
  const text = body.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
  for (const command of [
    `curl -X POST -H content-type:application/json -d '{"url":"http://10.0.0.3:8080","id":"c"}' http://localhost:3001/backends`,
    'curl -X POST http://localhost:3001/backends/c/activate',
    `curl -X DELETE 'http://localhost:3001/backends/c?force=true'`,
  ]) {
    // Long ones go over several lines.
    assert.ok(text.replace(/ \\\n +/g, ' ').includes(command), command)
  }
})

test('what a trusted proxy is said to be asked by gets into no example, and no cache keeps the page', async (t) => {
  const app = Fastify({ trustProxy: true })
  t.after(() => app.close())
  await app.register(leastwise, { prefix: '/api', admin: { prefix: '/admin', token: 't' } })
  const forged = { 'x-forwarded-proto': 'x;$(touch forged);', 'x-forwarded-host': '$(touch forged)' }
  const page = await app.inject({ url: '/admin/docs', headers: forged })
  assert.doesNotMatch(page.body, /forged/)
  assert.equal(page.headers['cache-control'], 'no-store')
})

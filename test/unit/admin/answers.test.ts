import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { mistakeExample } from '../../../src/admin/contract/config.js'
import type { AdminErrorCode } from '../../../src/admin/contract/error-codes.js'
import { codesOf, type Described, describedAdmin, type Reply, validator } from '../../support/described.js'

/** How a call that would succeed is made to end with a code. */
const failing: Partial<Record<AdminErrorCode, (request: InjectOptions) => InjectOptions>> = {
  LEASTWISE_INVALID_REQUEST: (request) =>
    request.method === 'GET'
      ? { ...request, url: `${request.url}?unknown=1` }
      : { ...request, payload: '{', headers: { ...request.headers, 'content-type': 'application/json' } },
  LEASTWISE_INVALID_BACKEND: (request) => ({
    ...request,
    payload: request.method === 'PATCH' ? { healthHost: 'a b' } : { url: 'ftp://10.0.0.3' },
  }),
  LEASTWISE_UNAUTHORIZED: (request) => ({ ...request, headers: { host: 'localhost' } }),
  LEASTWISE_FORBIDDEN: (request) => ({ ...request, headers: { host: 'evil.example' } }),
  LEASTWISE_BODY_TOO_LARGE: (request) => ({ ...request, payload: { url: 'x'.repeat(2 ** 20) } }),
  LEASTWISE_UNSUPPORTED_MEDIA_TYPE: (request) => ({
    ...request,
    payload: 'url=http://10.0.0.3',
    headers: { ...request.headers, 'content-type': 'application/x-www-form-urlencoded' },
  }),
  LEASTWISE_INTERNAL: (request) => ({ ...request, headers: { ...request.headers, 'x-fail': '1' } }),
  // The request is as before; it is the pool that is another.
  LEASTWISE_BACKEND_NOT_FOUND: (request) => request,
  LEASTWISE_BACKEND_EXISTS: (request) => request,
  LEASTWISE_POOL_NOT_FOUND: (request) => ({ ...request, url: '/pools/users' }),
  LEASTWISE_ROUTE_NOT_FOUND: (request) => ({ ...request, url: '/routes/nowhere' }),
  // The request is as before; it is the gateway's file that is another.
  LEASTWISE_INVALID_CONFIG: (request) => request,
  LEASTWISE_NO_CONFIG_FILE: (request) => request,
  LEASTWISE_NOT_READY: (request) => request,
  LEASTWISE_STATE_NOT_SAVED: (request) => request,
  LEASTWISE_PRECONDITION_FAILED: (request) => ({
    ...request,
    headers: { ...request.headers, 'if-match': '"another"' },
  }),
}

/** Codes that take more than one request; by the tests of their calls. */
const elsewhere = ['LEASTWISE_TOO_MANY_READERS']

/** Calls and codes that want a pool without the backends of the examples. */
const withoutBackend = ['addBackend', 'LEASTWISE_BACKEND_NOT_FOUND', 'LEASTWISE_NOT_READY']

for (const token of [undefined, 's3cret']) {
  test(`every described answer is given, and is as described, ${token ? 'with a' : 'without a'} token`, async (t) => {
    const { balancer, store, control, document, calls, send } = await describedAdmin(token)
    t.after(() => balancer.keeper?.close())
    const check = validator(document)
    const headers = { host: 'localhost', ...(token && { authorization: `Bearer ${token}` }) }

    const refill = (full: boolean) => {
      for (const { id } of balancer.registry.list()) balancer.registry.remove(id, { force: true })
      if (!full) return
      balancer.registry.add({ url: 'http://10.0.0.1:8080', id: 'a' })
      // With a value wherever there may be one; one that is new has null there.
      const c = balancer.registry.add({ url: 'http://10.0.0.3:8080', id: 'c', maxConnections: 5 })
      balancer.registry.setHealth('c', 'healthy', {
        at: new Date(),
        passed: true,
        answered: true,
        detail: 'status 200',
      })
      balancer.registry.eject(c, 1000)
    }
    for (const described of calls) {
      const { method, path, call } = described
      const what = `${method} ${path}`
      const requests = exampleRequests(described).map((request) => ({ ...request, headers }))
      const [plain] = requests as [InjectOptions]
      const seen = new Set<string>()
      for (const request of requests) {
        refill(!withoutBackend.includes(call.operationId))
        const endless = 'text/event-stream' in (call.responses[200]?.content ?? {})
        const reply = await send(request, endless)
        assert.ok(reply.status < 300, `${what}: ${reply.status} ${reply.text}`)
        seen.add(asDescribed(described, reply, check, endless))
      }
      for (const [status, answer] of Object.entries(call.responses)) {
        if (Number(status) < 400) assert.ok(seen.has(status), `${what}: ${status} does not come`)
        for (const code of codesOf(answer)) {
          if (elsewhere.includes(code)) continue
          const provoke = failing[code as AdminErrorCode]
          assert.ok(provoke, `${code}: say how it is failing`)
          if (code === 'LEASTWISE_STATE_NOT_SAVED') {
            store.fails = true
            // Something that was never stored: a call that ends with what is stored already has nothing to save.
            balancer.registry.add({ url: `http://${call.operationId.toLowerCase()}` })
            await assert.rejects(async () => balancer.keeper?.saved())
          }
          const empty = withoutBackend.includes(code) || withoutBackend.includes(call.operationId)
          refill(!empty || code === 'LEASTWISE_BACKEND_EXISTS')
          control.mistakes = code === 'LEASTWISE_INVALID_CONFIG' ? [mistakeExample] : []
          control.hasFile = code !== 'LEASTWISE_NO_CONFIG_FILE'
          const reply = await send(provoke(plain))
          store.fails = false
          assert.equal(JSON.parse(reply.text).code, code, what)
          assert.equal(asDescribed(described, reply, check), status, what)
        }
      }
    }
  })
}

/** A call as its examples have it, without its query and with each field of it. */
function exampleRequests({ method, path, call }: Described): InjectOptions[] {
  const payload = call.requestBody?.content['application/json']?.example
  const { parameters = [] } = call
  const url = parameters
    .filter((parameter) => parameter.in === 'path')
    .reduce((filled, { name, example }) => filled.replace(`{${name}}`, String(example)), path)
  const queries = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, example }) => `?${name}=${example}`)
  return ['', ...queries].map(
    (query) => ({ method, url: url + query, ...(payload !== undefined && { payload }) }) as InjectOptions,
  )
}

/** Fails where an answer is not as described. Returns its status. */
function asDescribed(
  { method, path, call }: Described,
  { status, headers, text }: Reply,
  check: ReturnType<typeof validator>,
  endless = false,
): string {
  const what = `${method} ${path} ${status}`
  const answer = call.responses[status]
  assert.ok(answer, `${what} is not described`)
  for (const name of Object.keys(answer.headers ?? {})) {
    assert.notEqual(headers[name.toLowerCase()], undefined, `${what}: ${name}`)
  }
  const [type] = String(headers['content-type'] ?? '').split(';', 1)
  if (!answer.content) {
    assert.deepEqual([type, text], ['', ''], what)
    return String(status)
  }
  assert.ok(type !== undefined && type in answer.content, `${what}: ${type}`)
  const at = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema']
  if (!endless) check(type === 'application/json' ? JSON.parse(text) : text, at, what)
  return String(status)
}

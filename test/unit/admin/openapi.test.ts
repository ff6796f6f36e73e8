import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import swagger from '@fastify/swagger'
import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'
import { type AdminErrorCode, errorCodes } from '../../../src/admin/contract/error-codes.js'
import type { Schema } from '../../../src/admin/contract/schema-text.js'
import leastwise from '../../../src/index.js'
import { codesOf, describedAdmin, validator } from '../../support/described.js'
import { root } from '../../support/process.js'

/** Codes that no call of the admin API ends with. */
const elsewhere = [
  // Of proxied requests.
  'LEASTWISE_BAD_GATEWAY',
  'LEASTWISE_BAD_PATH',
  'LEASTWISE_BODY_READ',
  'LEASTWISE_EXPECTATION_FAILED',
  'LEASTWISE_GATEWAY_TIMEOUT',
  'LEASTWISE_KEYS_UNAVAILABLE',
  'LEASTWISE_LOOP',
  'LEASTWISE_METHOD_NOT_ALLOWED',
  'LEASTWISE_NO_BACKEND',
  'LEASTWISE_NO_ROUTE',
  'LEASTWISE_OVERLOADED',
  'LEASTWISE_QUEUE_FULL',
  'LEASTWISE_QUEUE_TIMEOUT',
  'LEASTWISE_RATE_LIMITED',
  'LEASTWISE_RATE_LIMIT_UNAVAILABLE',
  'LEASTWISE_STOPPED',
  'LEASTWISE_TOO_MANY_FIELDS',
  // Of a connection, before there is a request.
  'LEASTWISE_HEAD_TOO_LARGE',
  'LEASTWISE_MALFORMED_REQUEST',
  'LEASTWISE_NOT_IMPLEMENTED',
  'LEASTWISE_REQUEST_TIMEOUT',
  'LEASTWISE_URI_TOO_LONG',
  'LEASTWISE_VERSION',
  // Of the core, for those who call it.
  'LEASTWISE_ALL_FULL',
  'LEASTWISE_BACKEND_GONE',
  'LEASTWISE_CLIENT_GONE',
  'LEASTWISE_CONTROLLED_ELSEWHERE',
  'LEASTWISE_INVALID_OPTION',
  'LEASTWISE_INVALID_STATE',
  'LEASTWISE_STORE',
  'LEASTWISE_STORE_CONFLICT',
  'LEASTWISE_STORE_OUTCOME',
  // No error, but a variable that the command reads.
  'LEASTWISE_URL',
  'LEASTWISE_UNKNOWN_POLICY',
]

test('every route is described, and nothing else', async () => {
  const { routes, calls, document } = await describedAdmin()
  const visible = routes.filter(({ method, hidden }) => method !== 'HEAD' && !hidden)
  const [named, shown] = [true, false].map((one) =>
    visible.filter(({ url }) => url.startsWith('/pools/:pool/') === one),
  ) as [typeof visible, typeof visible]
  assert.deepEqual(
    calls.map(({ method, path }) => `${method} ${path}`).sort(),
    shown.map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`).sort(),
  )
  for (const { method, url, hidden, nothing } of routes) {
    if (hidden && !nothing) assert.match(`${method} ${url}`, /^(GET|HEAD) .*\.\w+$/, 'only files are hidden')
  }
  // Each call of a pool has a second path, that names the pool; it is described once.
  const unnamed = shown.filter(
    ({ url }) =>
      !/^\/(docs|gateways|openapi\.json|pools(\/:pool)?|config(\/reload)?|routes(\/.+)?)?$/.test(url),
  )
  assert.deepEqual(
    named.map(({ method, url }) => `${method} ${url.slice('/pools/:pool'.length)}`).sort(),
    unnamed.map(({ method, url }) => `${method} ${url}`).sort(),
  )
  const names = calls.map(({ call }) => call.operationId)
  assert.equal(new Set(names).size, names.length)
  const tags = document.tags.map(({ name }) => name)
  for (const { method, path, call } of calls) {
    const what = `${method} ${path}`
    assert.match(call.operationId ?? '', /^[a-z][A-Za-z]+$/, `${what}: config.operationId`)
    assert.ok(call.summary && !call.summary.endsWith('.'), `${what}: summary`)
    assert.match(call.description ?? '', /\.$/, `${what}: description`)
    assert.ok(call.tags?.length === 1 && tags.includes(call.tags[0] as string), `${what}: tags`)
    for (const parameter of call.parameters ?? []) {
      assert.match(parameter.description ?? '', /\.$/, `${what}: description of ${parameter.name}`)
      assert.notEqual(parameter.example, undefined, `${what}: example of ${parameter.name}`)
    }
    const contents = [
      ...Object.values(call.requestBody?.content ?? {}),
      ...Object.values(call.responses).flatMap(({ content }) => Object.values(content ?? {})),
    ]
    for (const { schema, example, examples } of contents) {
      assert.notEqual(example ?? examples, undefined, `${what}: an example`)
      wanting(schema, what)
    }
    assert.ok(
      Object.keys(call.responses).some((status) => Number(status) < 300),
      `${what}: an answer`,
    )
    for (const answer of Object.values(call.responses))
      assert.notEqual(answer.description, 'Default Response')
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    assert.match(schema.description ?? '', /\.$/, name)
    wanting(schema, name)
  }
})

/** Fails for the first field without a description. */
function wanting({ properties = {}, items }: Schema, what: string): void {
  for (const [name, schema] of Object.entries(properties)) {
    if (!schema.$ref) assert.match(schema.description ?? '', /\.$/, `${what}: description of ${name}`)
    wanting(schema, `${what}: ${name}`)
  }
  if (items) wanting(items, what)
}

test('it is valid OpenAPI 3.1, and its examples are as it says, with a token and without', async () => {
  for (const token of [undefined, 't']) {
    const { document, calls } = await describedAdmin(token)
    await assertValid(document)
    const check = validator(document)
    for (const { method, path, call } of calls) {
      const at = ['paths', path, method.toLowerCase()]
      const what = `${method} ${path}`
      for (const [i, { example, name }] of (call.parameters ?? []).entries()) {
        check(example, [...at, 'parameters', String(i), 'schema'], `${what} ${name}`)
      }
      const { requestBody, responses } = call
      for (const [type, { example }] of Object.entries(requestBody?.content ?? {})) {
        check(example, [...at, 'requestBody', 'content', type, 'schema'], what)
      }
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const [type, { example, examples }] of Object.entries(content)) {
          const all = examples ? Object.values(examples).map(({ value }) => value) : [example]
          for (const value of all) {
            check(value, [...at, 'responses', status, 'content', type, 'schema'], `${what} ${status}`)
          }
        }
      }
      const isPublic = ['/livez', '/readyz', '/openapi.json', '/docs', '/'].includes(path)
      assert.deepEqual(call.security, token !== undefined && !isPublic ? [{ token: [] }] : undefined, what)
      assert.equal('403' in responses, token === undefined, what)
    }
    assert.equal('securitySchemes' in document.components, token !== undefined)
  }
})

async function assertValid(document: object): Promise<void> {
  const { valid, errors } = await new Validator().validate({ ...document })
  assert.ok(valid, JSON.stringify(errors))
}

test('a body need only be there where something in it is required', async () => {
  const { calls } = await describedAdmin()
  const bodies = calls.flatMap(({ call }) =>
    call.requestBody ? [[call.operationId, call.requestBody.required] as const] : [],
  )
  const required = Object.fromEntries(bodies)
  assert.deepEqual(
    ['addBackend', 'setPolicy', 'updateBackend', 'drainBackend', 'activateBackend'].map((id) => required[id]),
    [true, true, false, false, false],
  )
})

test('every error code in the source is described, or known to be none of the admin API', async () => {
  const found = new Set<string>()
  for (const folder of ['src', 'plugins', 'routes']) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || /(^|\/)(responses|error-codes).ts$/.test(name)) continue
      // Commands have codes of their own, beside those that they are answered with.
      if (name.startsWith('cli/')) continue
      const source = readFileSync(join(root, folder, name), 'utf8')
      for (const [code] of source.matchAll(/LEASTWISE_[A-Z]+(_[A-Z]+)*/g)) found.add(code)
    }
  }
  const described = Object.keys(errorCodes)
  assert.deepEqual([...found].sort(), [...described, ...elsewhere].sort())

  const { calls, document } = await describedAdmin('t')
  const open = await describedAdmin()
  const answers = [...calls, ...open.calls].flatMap(({ call }) => Object.entries(call.responses))
  for (const code of described as AdminErrorCode[]) {
    const given = answers.filter(([, answer]) => codesOf(answer).includes(code))
    assert.ok(given.length > 0 || document.info.description.includes(code), `${code} is nobody's answer`)
    for (const [status] of given) assert.equal(Number(status), errorCodes[code].statusCode)
  }
})

test('in an app with a description of its own each keeps to itself', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'shop', version: '1' } },
    exposeHeadRoutes: true,
    // As for schemas of a kind that only the app's own are of.
    transform: ({ schema, url }) => {
      if (!schema?.hide) assert.equal(url, '/own')
      return { schema, url }
    },
  })
  app.addSchema({ $id: 'Backend', type: 'string', enum: ['of the shop'] })
  app.get('/own', { schema: { response: { 200: { $ref: 'Backend#' } } } }, async () => 'of the shop')
  app.get('/docs', { schema: { hide: true } }, async () => "the shop's")
  await app.register(
    async (scope) => {
      await scope.register(leastwise, { name: 'a', prefix: '/a', admin: { prefix: '/admin', token: 'x' } })
    },
    { prefix: '/v1' },
  )
  await app.register(leastwise, { name: 'b', prefix: '/b', admin: { prefix: '/backoffice', token: 'y' } })
  await app.ready()

  const own = app.swagger()
  assert.deepEqual(Object.keys(own.paths ?? {}), ['/own'])
  await assertValid(own)
  assert.equal((await app.inject('/docs')).body, "the shop's")
  for (const prefix of ['/v1/admin', '/backoffice']) {
    const { statusCode, headers, body } = await app.inject(`${prefix}/openapi.json`)
    assert.deepEqual([statusCode, headers['content-type']], [200, 'application/json; charset=utf-8'])
    const document = JSON.parse(body)
    assert.deepEqual(document.servers, [{ url: prefix }])
    assert.ok('/backends/{id}/drain' in document.paths, 'paths go after the prefix')
    assert.equal('/own' in document.paths, false)
    assert.equal(document.components.schemas.Backend.type, 'object')
    const page = await app.inject({ url: `${prefix}/docs`, headers: { host: 'shop.example' } })
    assert.ok(page.body.includes(`http://shop.example${prefix}/backends/c/drain`))
  }
})

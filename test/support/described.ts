import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import Fastify, { type InjectOptions } from 'fastify'
import { adminRoutes } from '../../routes/admin.js'
import type { Answer, Call, Description } from '../../src/admin/reference-page/document.js'
import { Balancer } from '../../src/balancer/balancer.js'
import { LocalKeeper } from '../../src/balancer/state/local-keeper.js'
import { notFound } from '../../src/proxy/downstream/errors/errors.js'
import { ScriptedControl } from './gateway-control.js'

/** A route as it was added, before the description hides it from the app around it. */
export interface Route {
  method: string
  url: string
  hidden: boolean
  /** Whether it is there to answer 404. */
  nothing: boolean
}

export interface Described {
  method: string
  path: string
  call: Call
}

export interface Reply {
  status: number
  headers: Record<string, unknown>
  text: string
}

/**
 * An admin API with all its routes and its description. While `store.fails` no change is stored. With the header `x-fail` a call fails inside.
 */
export async function describedAdmin(token?: string) {
  const balancer = new Balancer({})
  const store = {
    fails: false,
    name: 'STATE_FILE "state.json"',
    load: async () => undefined,
    save: async () => {
      if (store.fails) throw new Error('ENOSPC: no space left on device')
    },
  }
  balancer.keeper = new LocalKeeper(balancer, store, balancer.policy)
  await balancer.keeper.start()
  const app = Fastify()
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url, schema, handler }) => {
    for (const name of [method].flat()) {
      routes.push({ method: name, url, hidden: schema?.hide === true, nothing: handler === notFound })
    }
  })
  app.addHook('preHandler', async (request) => {
    if (request.headers['x-fail']) throw new Error('as asked for')
  })
  const control = new ScriptedControl()
  await app.register(adminRoutes, { pools: new Map([['default', balancer]]), token, control })

  /** Events never end, so what does not come at once is not waited for. */
  const send = async (options: InjectOptions, endless = false): Promise<Reply> => {
    const reply = await app.inject({ ...options, payloadAsStream: true })
    const stream = reply.stream()
    const text = endless ? '' : (await stream.setEncoding('utf8').toArray()).join('')
    stream.destroy()
    return { status: reply.statusCode, headers: reply.headers, text }
  }
  const { text } = await send({ url: '/openapi.json', headers: { host: 'localhost' } })
  const document = JSON.parse(text) as Description
  const calls: Described[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => ({ method: method.toUpperCase(), path, call })),
  )
  return { app, balancer, store, control, routes, document, calls, send }
}

/** Looks whether values are as a description says, and have no field that it does not name. */
export function validator(document: Description) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ;(addFormats as unknown as typeof addFormats.default)(ajv)
  ajv.addSchema(closed(document) as object, 'api')
  /** @param at where the schema is in the document */
  return (value: unknown, at: string[], what: string) => {
    // biome-ignore lint/suspicious/noExplicitAny: a walk through JSON
    const schema = at.reduce((node: any, name) => node[name], document)
    const names = at.map((name) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1')))
    // What is referred to is compiled once.
    const validate = ajv.getSchema(`api${schema.$ref ?? `#/${names.join('/')}`}`)
    assert.ok(validate, `no schema at ${at.join(' ')}`)
    assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`)
  }
}

/** A description whose objects have no other fields than those that it names, unless it says that they may. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed)
  if (typeof node !== 'object' || node === null) return node
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]))
  return 'properties' in copy ? { additionalProperties: false, ...copy } : copy
}

/** The codes that a described answer may have. */
export function codesOf(answer: Answer): string[] {
  return Object.keys(answer.content?.['application/json']?.examples ?? {})
}

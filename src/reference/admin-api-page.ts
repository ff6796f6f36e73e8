import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { adminRoutes } from '../../routes/admin.js'
import { errorCodes } from '../admin/contract/error-codes.js'
import type { Schema } from '../admin/contract/schema-text.js'
import type { GatewayControl } from '../admin/gateway-control.js'
import type { Answer, Call, Description, Parameter } from '../admin/reference-page/document.js'
import { Balancer } from '../balancer/balancer.js'

const PAGE = new URL('../../../docs/reference/admin-api.md', import.meta.url)

/**
 * Returns the text of `docs/reference/admin-api.md`. Its tables are generated from the description of the API; the rest
 * of the page is written by hand and stays as it is.
 */
export async function adminApiPage(): Promise<string> {
  const { paths, components, tags } = await description()
  const calls = Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, call]) => ({ method: method.toUpperCase(), path, call })),
    )
    .sort((a, b) => rank(tags, a.call) - rank(tags, b.call))
  const { schemas } = components
  const tables = {
    calls: table(
      ['call', 'response', 'meaning'],
      calls.map(({ method, path, call }) => callRow(method, path, call)),
    ),
    pool: fieldTable('Pool', schemas),
    store: fieldTable('Store', schemas),
    gateway: fieldTable('Gateway', schemas),
    backend: fieldTable('Backend', schemas),
    route: fieldTable('Route', schemas),
    requestExplanation: fieldTable('RequestExplanation', schemas),
    decision: fieldTable('Decision', schemas),
    errors: errorTable(),
  }
  return Object.entries(tables).reduce(
    (text, [name, lines]) => withTable(text, name, lines),
    readFileSync(PAGE, 'utf8'),
  )
}

/** A gateway, so that the calls about its configuration and routes are described, too. */
const gateway = { onReload: () => () => {} } as unknown as GatewayControl

async function description(): Promise<Description> {
  const app = Fastify()
  const pools = new Map([['default', new Balancer()]])
  await app.register(adminRoutes, { pools, token: 'token', metrics: new Registry(), control: gateway })
  const { body } = await app.inject('/openapi.json')
  await app.close()
  return JSON.parse(body) as Description
}

function rank(tags: Description['tags'], call: Call): number {
  return tags.findIndex(({ name }) => call.tags.includes(name))
}

function callRow(method: string, path: string, call: Call): string[] {
  const query = (call.parameters ?? []).filter((parameter) => parameter.in === 'query').map(queryField)
  const body = call.requestBody?.content['application/json']?.schema
  const words = [
    `\`${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}\``,
    ...(query.length > 0 ? [`\`?${query.join('&')}\``] : []),
    ...(body && hasFields(body) ? [`\`${objectText(body)}\``] : []),
  ]
  const responses = Object.entries(call.responses)
    .filter(([status]) => Number(status) < 400)
    .map(([status, answer]) => [status, contentText(answer)].filter(Boolean).join(' '))
  return [words.join(' '), responses.join('; '), `${call.summary}. ${call.description}`]
}

function queryField({ name }: Parameter): string {
  return `${name}=`
}

function contentText({ content = {} }: Answer): string {
  return Object.entries(content)
    .map(([type, { schema }]) => {
      if (type !== 'application/json') return `\`${type}\``
      const name = refName(schema)
      if (name !== undefined) return name
      return hasFields(schema) ? `\`${objectText(schema)}\`` : ''
    })
    .join(', ')
}

function refName({ $ref }: Schema): string | undefined {
  return $ref?.split('/').at(-1)
}

function hasFields({ properties = {} }: Schema): boolean {
  return Object.keys(properties).length > 0
}

/** Lists the fields of an object in a short form, for example `{ url, id? }` or `{ backends: [Backend…] }`. */
function objectText({ properties = {}, required = [] }: Schema): string {
  const names = Object.entries(properties).map(([name, { items }]) => {
    const item = items && refName(items)
    return `${name}${required.includes(name) ? '' : '?'}${item === undefined ? '' : `: [${item}…]`}`
  })
  return `{ ${names.join(', ')} }`
}

/** Returns the lines of a table with one row for each field of a component, including the fields of objects in it. */
function fieldTable(name: string, schemas: Record<string, Schema>): string[] {
  const rows = ({ properties = {} }: Schema, path = ''): string[][] =>
    Object.entries(properties).flatMap(([field, schema]) => {
      const { description = '' } = schema.$ref ? (schemas[refName(schema) ?? ''] ?? {}) : schema
      return [[`\`${path}${field}\``, description], ...rows(schema, `${path}${field}.`)]
    })
  return table(['field', 'meaning'], rows(schemas[name] ?? {}))
}

function errorTable(): string[] {
  const rows = Object.entries(errorCodes).sort(([, a], [, b]) => a.statusCode - b.statusCode)
  return table(
    ['status', 'code', 'when'],
    rows.map(([code, { statusCode, when }]) => [String(statusCode), `\`${code}\``, when]),
  )
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)]
}

/** Replaces the table between two marks in the page. @throws {Error} if the page has no such marks */
function withTable(text: string, name: string, lines: string[]): string {
  const start = `<!-- ${name}: made by npm run generate -->`
  const end = `<!-- end of ${name} -->`
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from)
    throw new Error(`docs/reference/admin-api.md has no marks of the table "${name}"`)
  return `${text.slice(0, from)}${[start, '', ...lines, '', end].join('\n')}${text.slice(to + end.length)}`
}

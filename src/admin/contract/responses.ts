import { STATUS_CODES } from 'node:http'
import type { TSchema } from 'typebox'
import { type AdminErrorCode, errorCodes } from './error-codes.js'
import { ErrorBody } from './schemas.js'

/**
 * How a route of the admin API is described; /openapi.json and /docs are made from it.
 *
 *     app.get(
 *       '/things/:id',
 *       {
 *         config: { operationId: 'getThing', errors: ['LEASTWISE_THING_NOT_FOUND'] },
 *         schema: {
 *           tags: ['Backends'],
 *           summary: 'Read a thing',
 *           description: 'What it does, in a sentence or two; `code` is written like this.',
 *           params: Type.Object({ id: Type.String({ description: 'Id of the thing.', examples: ['t'] }) }),
 *           response: { 200: jsonResponse(Thing, 'The thing.', { id: 't' }) },
 *         },
 *       },
 *       handler,
 *     )
 *
 * - `tags` is one of those in `openapi.ts`.
 * - `config.operationId` is its name in code, unique. (In the schema it would make an app's own @fastify/swagger copy
 *   the route's HEAD before it can be hidden.)
 * - `config.errors` are the codes that this call alone has, each a row in `error-codes.ts`. Those that every call
 *   has (401 or 403, 500; 400, 413 and 415 where there is something to send) are added. `config.public` is
 *   for calls that need no token.
 * - Each property has a `description`; a body, a query field and a path parameter has `examples: [one]`.
 * - A `title` makes a schema a component that is described once.
 * - An answer that is no JSON is `textResponse('text/plain', 'What it is.', 'an example')`.
 * - `schema: { hide: true }` is for what is no call: files of a page.
 *
 * Tests name what is missing. They make each call as its examples have it, and see to it that every described answer
 * is given; `test/unit/admin/answers.test.ts` is told how a new code is provoked.
 */
declare module 'fastify' {
  interface FastifyContextConfig {
    /** On an admin route: its name for programs that are made from the description. */
    operationId?: string
    /** On an admin route: errors that it can end with, besides those of every call. */
    errors?: AdminErrorCode[]
  }
}

interface Header {
  type: string
  description: string
}

/** An answer in JSON, in the words of one call. @param example in place of, or over, that of the schema */
export function jsonResponse<T extends TSchema>(
  schema: T,
  description: string,
  example?: unknown,
  headers?: Record<string, Header>,
): T {
  const { examples: [own] = [] } = schema as { examples?: unknown[] }
  const merged = isObject(own) && isObject(example) ? { ...own, ...example } : (example ?? own)
  return {
    ...schema,
    'x-response-description': description,
    ...(merged !== undefined && { examples: [merged] }),
    ...(headers && { headers }),
  }
}

/** An answer that is not JSON. */
export function textResponse(type: string, description: string, example: string): object {
  return { description, content: { [type]: { schema: { type: 'string' }, example } } }
}

/** The error responses of a call in OpenAPI, by status, for the error codes that the call can answer with. */
export function errorResponses(codes: Iterable<AdminErrorCode>): Record<string, object> {
  const byStatus: Record<string, AdminErrorCode[]> = {}
  for (const code of new Set(codes)) {
    const { statusCode } = errorCodes[code]
    byStatus[statusCode] = [...(byStatus[statusCode] ?? []), code]
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, found]) => [status, errorResponse(Number(status), found)]),
  )
}

function errorResponse(statusCode: number, codes: AdminErrorCode[]): object {
  const error = STATUS_CODES[statusCode]
  const headers: Record<number, Record<string, Header>> = {
    401: { 'WWW-Authenticate': { type: 'string', description: 'Always `Bearer`.' } },
    503: {
      'Retry-After': { type: 'string', description: 'Seconds after which it is worth another try.' },
    },
  }
  return {
    ...ErrorBody,
    'x-response-description': codes
      .map((code) => `\`${code}\`: ${sentence(errorCodes[code].when)}`)
      .join('\n\n'),
    'x-examples': Object.fromEntries(
      codes.map((code) => [
        code,
        {
          summary: sentence(errorCodes[code].when),
          value: { statusCode, code, error, message: errorCodes[code].message },
        },
      ]),
    ),
    ...(headers[statusCode] && { headers: headers[statusCode] }),
  }
}

function sentence(clause: string): string {
  return `${clause.slice(0, 1).toUpperCase()}${clause.slice(1)}.`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

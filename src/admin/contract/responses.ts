import { STATUS_CODES } from 'node:http'
import type { TSchema } from 'typebox'
import { mistakeExample } from './config.js'
import { ErrorBody } from './error-body.js'
import { type AdminErrorCode, errorCodes } from './error-codes.js'

/**
 * The routes of the admin API describe themselves as in this example. /openapi.json and /docs are generated from the
 * descriptions.
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
 * - `tags` has one of the tags that `openapi.ts` lists.
 * - `config.operationId` is a unique name of the call for generated clients. (If it were part of the schema,
 *   @fastify/swagger in a host app would copy it to the route's HEAD before that can be hidden.)
 * - `config.errors` lists the error codes that only this call has; each needs an entry in `error-codes.ts`. The errors
 *   that calls have in common are added automatically: 401 or 403 and 500 for all calls, 400 for calls with a query or
 *   a body, and 413 and 415 for calls with a body. `config.public` marks calls that need no token.
 * - Each property has a `description`. A body, a query field and a path parameter each have `examples: [one]`.
 * - A schema with a `title` becomes a component of the description, where it is described once.
 * - A response that is not JSON is described by `textResponse('text/plain', 'What it is.', 'an example')`.
 * - `schema: { hide: true }` marks routes that are not part of the API, such as the files of a page.
 *
 * Tests report what a description lacks, make each call with its examples, and check that every described response
 * occurs. `test/unit/admin/answers.test.ts` needs to know how to cause a new error code.
 */
declare module 'fastify' {
  interface FastifyContextConfig {
    /** On a route of the admin API: the name of the call in clients that are generated from the description. */
    operationId?: string
    /** On a route of the admin API: error codes with which it can respond, besides those of every call. */
    errors?: AdminErrorCode[]
  }
}

interface Header {
  type: string
  description: string
}

/**
 * Describes a JSON response of a call.
 * @param example replaces the example of the schema, or, if both are objects, overrides some of its fields
 */
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

/** Describes a response that is not JSON. */
export function textResponse(type: string, description: string, example: string): object {
  return { description, content: { [type]: { schema: { type: 'string' }, example } } }
}

/** Returns the error responses of a call for OpenAPI, by HTTP status, for the error codes that the call can have. */
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
          value: {
            statusCode,
            code,
            error,
            message: errorCodes[code].message,
            ...(code === 'LEASTWISE_INVALID_CONFIG' && { mistakes: [mistakeExample] }),
          },
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

import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { InvalidRequestError } from '../plugins/errors.js'

/** What a schema says, as far as it is put into words here. */
interface Schema {
  type?: string | string[]
  enum?: unknown[]
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
  items?: Schema
  /** What it takes, in words that go on after "must be", where it cannot be read from the rest. */
  'x-takes'?: string
}

/** Checks requests as they are: unknown fields are refused, and "5" is no number. Messages name the field. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = (route) => {
  const validate = TypeBoxValidatorCompiler(route)
  return (value: unknown) => {
    const result = validate(value) as { value: unknown } | { error: FastifySchemaValidationError[] }
    if (!('error' in result)) return result
    return { error: new InvalidRequestError(complaint(result.error, route.schema, route.httpPart ?? 'body')) }
  }
}

/** What is wrong with a request, in a sentence for each field. */
function complaint(errors: FastifySchemaValidationError[], schema: Schema, part: string): string {
  const said = new Map<string, string>()
  for (const { keyword, params, instancePath, message } of errors) {
    const { additionalProperties, requiredProperties } = params as Record<string, string[] | undefined>
    const field = part + instancePath.replaceAll('/', '.')
    if (additionalProperties) {
      said.set(`${instancePath}?`, `${field} has unknown fields: ${additionalProperties.join(', ')}`)
    } else if (requiredProperties) {
      said.set(`${instancePath}!`, `${field} lacks ${requiredProperties.join(', ')}`)
    } else if (keyword !== 'boolean') {
      // (That one says once more what `additionalProperties` says.)
      const taken = accepted(at(schema, instancePath))
      said.set(instancePath, taken === undefined ? `${field} ${message}` : `${field} must be ${taken}`)
    }
  }
  return [...said.values()].join('; ')
}

/** The part of a schema that a JSON pointer into a value leads to. */
function at(schema: Schema, pointer: string): Schema | undefined {
  let found: Schema | undefined = schema
  for (const name of pointer.split('/').slice(1)) {
    const named: Record<string, Schema> = found?.properties ?? {}
    found = Object.hasOwn(named, name) ? named[name] : found?.items
  }
  return found
}

function accepted(schema: Schema | undefined): string | undefined {
  if (schema?.['x-takes']) return schema['x-takes']
  if (schema?.enum) return `one of ${schema.enum.join(', ')}`
  if (schema?.type === undefined) return undefined
  return [schema.type]
    .flat()
    .map((type) => (type === 'null' ? 'null' : nameOf(type, schema)))
    .join(', or ')
}

function nameOf(type: string, { minimum, maximum }: Schema): string {
  const names: Record<string, string> = {
    integer: 'a whole number',
    number: 'a number',
    string: 'a string',
    boolean: 'true or false',
    object: 'an object',
    array: 'a list',
  }
  const from = minimum === undefined ? '' : ` from ${minimum}`
  const to = maximum === undefined ? '' : ` to ${maximum}`
  return (names[type] ?? type) + from + to
}

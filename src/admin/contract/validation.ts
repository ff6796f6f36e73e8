import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { InvalidRequestError } from '../../proxy/downstream/errors/errors.js'
import { acceptedValues, type Schema } from './schema-text.js'

/** Checks requests as they are: unknown fields are refused, and "5" is no number. Messages name the field. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = (route) => {
  const validate = TypeBoxValidatorCompiler(route)
  return (value: unknown) => {
    const result = validate(value) as { value: unknown } | { error: FastifySchemaValidationError[] }
    if (!('error' in result)) return result
    return { error: new InvalidRequestError(complaint(result.error, route.schema, route.httpPart ?? 'body')) }
  }
}

/** What is wrong with a request, each field said once. */
function complaint(errors: FastifySchemaValidationError[], schema: Schema, part: string): string {
  const said = new Map<string, string>()
  for (const { keyword, params, instancePath, message } of errors) {
    const { additionalProperties, requiredProperties } = params as Record<string, string[] | undefined>
    const field = part + instancePath.replaceAll('/', '.')
    if (additionalProperties) {
      said.set(`${field} has`, `${field} has unknown fields: ${additionalProperties.join(', ')}`)
    } else if (requiredProperties) {
      said.set(`${field} lacks`, `${field} lacks ${requiredProperties.join(', ')}`)
    } else if (keyword !== 'boolean') {
      // The error with the keyword `boolean` only repeats the one of `additionalProperties`.
      const words = acceptedValues(at(schema, instancePath))
      said.set(field, words === undefined ? `${field} ${message}` : `${field} must be ${words}`)
    }
  }
  return [...said.values()].join('; ')
}

/** The part of a schema that a JSON pointer into a value leads to. */
function at(schema: Schema, pointer: string): Schema | undefined {
  let found: Schema | undefined = schema
  for (const name of pointer.split('/').slice(1)) {
    const properties: Record<string, Schema> = found?.properties ?? {}
    found = Object.hasOwn(properties, name) ? properties[name] : found?.items
  }
  return found
}

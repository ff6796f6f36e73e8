import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { InvalidRequestError } from '../../proxy/downstream/errors/errors.js'
import { acceptedValues, type Schema } from './schema-text.js'

/**
 * Compiles a validator that does not change the request: it refuses unknown fields, and does not convert "5" to a
 * number. Its error messages name the wrong field.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = (route) => {
  const validate = TypeBoxValidatorCompiler(route)
  return (value: unknown) => {
    const result = validate(value) as { value: unknown } | { error: FastifySchemaValidationError[] }
    if (!('error' in result)) return result
    return { error: new InvalidRequestError(complaint(result.error, route.schema, route.httpPart ?? 'body')) }
  }
}

/** Describes what is wrong with a request, with one message for each field. */
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
      // Errors with the keyword `boolean` are skipped, because they repeat an error of `additionalProperties`.
      const words = acceptedValues(at(schema, instancePath))
      said.set(field, words === undefined ? `${field} ${message}` : `${field} must be ${words}`)
    }
  }
  return [...said.values()].join('; ')
}

/** Returns the part of a schema that describes the value at a JSON pointer. */
function at(schema: Schema, pointer: string): Schema | undefined {
  let found: Schema | undefined = schema
  for (const name of pointer.split('/').slice(1)) {
    const properties: Record<string, Schema> = found?.properties ?? {}
    found = Object.hasOwn(properties, name) ? properties[name] : found?.items
  }
  return found
}

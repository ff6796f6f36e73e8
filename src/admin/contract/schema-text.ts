/** The parts of a JSON schema that can be described in words. */
export interface Schema {
  $ref?: string
  title?: string
  description?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  minimum?: number
  maximum?: number
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  /** A description of the accepted values, for schemas whose other fields do not suffice to generate one. */
  'x-takes'?: string
}

/**
 * Describes the values that a schema accepts, for example "a whole number from 1 to 10, or null". Returns undefined if
 * the schema has neither a type nor a list of values.
 */
export function acceptedValues(schema: Schema | undefined): string | undefined {
  if (schema?.['x-takes']) return schema['x-takes']
  if (schema?.enum) return `one of ${schema.enum.join(', ')}`
  if (schema?.type === undefined) return undefined
  return [schema.type]
    .flat()
    .map((type) => typeText(type, schema))
    .join(', or ')
}

const names: Record<string, string> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
}

function typeText(type: string, { format, minimum, maximum }: Schema): string {
  if (type === 'null') return 'null'
  if (format === 'date-time') return 'a date and time'
  const from = minimum === undefined ? '' : ` from ${minimum}`
  const to = maximum === undefined ? '' : ` to ${maximum}`
  return (names[type] ?? type) + from + to
}

import { FileSchema } from './file-schema.js'
import { ownWords, type Shape } from './shape.js'

/** A text that stands for a number, or for true and false: one variable of the environment. */
const VARIABLE = { type: 'string', pattern: '^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$' }

/** The JSON Schema (2020-12) of a gateway's file, with which editors check and complete it. */
export function fileJsonSchema(): Record<string, unknown> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The file of a leastwise gateway',
    ...printed(FileSchema as unknown as Shape),
  }
}

/** A schema without our own words. */
function printed(shape: Shape): Record<string, unknown> {
  const { description, default: fallback, properties, patternProperties, items, anyOf, ...rest } = shape
  const words = Object.entries(rest).filter(([name]) => !ownWords.includes(name))
  const own = {
    ...Object.fromEntries(words),
    ...(properties && { properties: printedAll(properties) }),
    ...(patternProperties && { patternProperties: printedAll(patternProperties) }),
    ...(items && { items: printed(items) }),
    ...(anyOf && { anyOf: anyOf.map(printed) }),
  }
  return {
    ...(description !== undefined && { description }),
    ...(fallback !== undefined && { default: fallback }),
    ...(isNumberOrFlag(shape) ? { anyOf: [own, VARIABLE] } : own),
  }
}

function printedAll(shapes: Readonly<Record<string, Shape>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, printed(shape)]))
}

function isNumberOrFlag({ type }: Shape): boolean {
  return type === 'integer' || type === 'number' || type === 'boolean'
}

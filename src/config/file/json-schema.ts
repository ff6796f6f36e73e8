import { FileSchema } from './schema.js'
import { ownWords } from './shape.js'

/** The JSON Schema (2020-12) of a gateway's file, with which editors check and complete it. */
export function fileJsonSchema(): Record<string, unknown> {
  const schema = JSON.parse(
    JSON.stringify(FileSchema, (name, value: unknown) =>
      ownWords.includes(name) && typeof value === 'string' ? undefined : value,
    ),
  )
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The file of a leastwise gateway',
    ...schema,
  }
}

type Node = Record<string, unknown>

/**
 * Moves each schema with a `title` from the paths of an OpenAPI document to its components, so that the schema is
 * described only once.
 * @throws {Error} if two different schemas have the same title
 */
export function components(document: object): object {
  const { paths, ...rest } = document as { paths: Node; components?: { schemas?: Node } }
  const found: Record<string, unknown> = {}
  const lifted = lift(paths, found) as Record<string, Record<string, Node>>
  for (const path of Object.values(lifted)) {
    for (const call of Object.values(path)) loosen(call, found)
  }
  const schemas = Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...rest, paths: lifted, components: { ...rest.components, schemas } }
}

function lift(node: unknown, found: Record<string, unknown>): unknown {
  if (Array.isArray(node)) return node.map((item) => lift(item, found))
  if (typeof node !== 'object' || node === null) return node
  const lifted = Object.fromEntries(
    // Examples are data and not schemas, so a `title` in them has no meaning here.
    Object.entries(node).map(([key, value]) => [key, /^examples?$/.test(key) ? value : lift(value, found)]),
  )
  const { title } = lifted
  if (typeof title !== 'string') return lifted
  // Examples are shown where a schema is used, so its component does without them.
  delete lifted.examples
  const same = found[title]
  if (same !== undefined && JSON.stringify(same) !== JSON.stringify(lifted)) {
    throw new Error(`two schemas of the admin API have the title ${title}`)
  }
  found[title] = lifted
  return { $ref: `#/components/schemas/${title}` }
}

/** Marks the body of a call as optional if none of its fields is required. */
function loosen(call: Node, found: Record<string, unknown>): void {
  const body = call.requestBody as
    | { required: boolean; content: Record<string, { schema: Node }> }
    | undefined
  const schema = body?.content['application/json']?.schema
  if (!body || !schema) return
  const name = typeof schema.$ref === 'string' ? schema.$ref.split('/').at(-1) : undefined
  const { required } = (name === undefined ? schema : found[name]) as { required?: string[] }
  body.required = required !== undefined && required.length > 0
}

type Node = Record<string, unknown>

/**
 * Moves what has a `title` out of a description's paths and into its components, where it is described once.
 * @throws when two different schemas have one title
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
    // Examples are data.
    Object.entries(node).map(([key, value]) => [key, /^examples?$/.test(key) ? value : lift(value, found)]),
  )
  const { title } = lifted
  if (typeof title !== 'string') return lifted
  // They stand where the schema is used.
  delete lifted.examples
  const same = found[title]
  if (same !== undefined && JSON.stringify(same) !== JSON.stringify(lifted)) {
    throw new Error(`two schemas of the admin API have the title ${title}`)
  }
  found[title] = lifted
  return { $ref: `#/components/schemas/${title}` }
}

/** A body of which nothing is required need not be there. */
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

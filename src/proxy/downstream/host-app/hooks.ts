import type { FastifyInstance } from 'fastify'

/**
 * Whether a scope has hooks of some kinds. Hooks of single routes do not count. Fastify keeps its hooks in an
 * undocumented property; where that property is not found, the answer is true, which is safe.
 */
export function hasHooks(scope: FastifyInstance, kinds: readonly string[]): boolean {
  for (let object: object | null = scope; object; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find(
      ({ description }) => description === 'fastify.hooks',
    )
    if (!symbol) continue
    const hooks = (object as Record<symbol, Record<string, unknown> | undefined>)[symbol]
    return kinds.some((kind) => {
      const those = hooks?.[kind]
      return !Array.isArray(those) || those.length > 0
    })
  }
  return true
}

import type { FastifyInstance } from 'fastify'

/**
 * Whether any hook of the app sees what is sent in this scope, but for those of single routes. Fastify does not tell, but keeps its hooks in a property;
 * where that is not found, there may be some.
 */
export function hasOnSend(scope: FastifyInstance): boolean {
  for (let object: object | null = scope; object; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find(
      ({ description }) => description === 'fastify.hooks',
    )
    if (!symbol) continue
    const { onSend } = (object as Record<symbol, { onSend?: unknown[] }>)[symbol] ?? {}
    return !Array.isArray(onSend) || onSend.length > 0
  }
  return true
}

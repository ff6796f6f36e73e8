import type { FastifyInstance } from 'fastify'

/**
 * Keeps Fastify from calling itself for each further scope when the app gets ready, and when it closes: it does so for
 * scopes without such hooks, and thousands of them exceed the stack.
 */
export function endRecursion(scope: FastifyInstance): void {
  scope.addHook('onReady', async () => {})
  scope.addHook('preClose', async () => {})
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError } from 'fastify'
import { Type } from 'typebox'
import { ConfigDocument, ReloadReport } from '../src/admin/contract/config.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { InvalidConfigError } from '../src/admin/errors.js'
import type { GatewayControl } from '../src/admin/gateway-control.js'
import { sendError } from '../src/proxy/downstream/errors/error-response.js'

/** Adds the routes that show the configuration of the gateway, and load its file again. */
export const configRoutes: FastifyPluginAsyncTypebox<{ control: GatewayControl }> = async (
  app,
  { control },
) => {
  const tags = ['Gateway']
  app.setErrorHandler((error: FastifyError, request, reply) =>
    sendError(
      error,
      request,
      reply,
      error instanceof InvalidConfigError ? { mistakes: error.mistakes } : undefined,
    ),
  )

  app.get(
    '/config',
    {
      config: { operationId: 'getConfig' },
      schema: {
        tags,
        summary: 'Read the configuration in force',
        description:
          'In the words of the file, with what the environment and the defaults add. Secrets are left out.',
        response: { 200: jsonResponse(ConfigDocument, 'The configuration.') },
      },
    },
    async () => control.config(),
  )

  app.post(
    '/config/reload',
    {
      config: {
        operationId: 'reloadConfig',
        errors: ['LEASTWISE_INVALID_CONFIG', 'LEASTWISE_NO_CONFIG_FILE'],
      },
      schema: {
        tags,
        summary: 'Load the file again',
        description:
          'All of it is in force once this is answered, in every thread, or nothing of it is: then `mistakes` says why. Requests in flight finish by the rules that they began with, and no connection and no count is lost.',
        body: Type.Object({}, { additionalProperties: false, examples: [{}] }),
        response: { 200: jsonResponse(ReloadReport, 'What has changed.') },
      },
    },
    async () => control.reload(),
  )
}

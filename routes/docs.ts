import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { textResponse } from '../src/admin/contract/responses.js'
import type { Description } from '../src/admin/reference-page/document.js'
import { docsPage } from '../src/admin/reference-page/page.js'
import { docsStyle } from '../src/admin/reference-page/style.js'

/** The page may use only its own style sheet: no script, nothing inline, nothing from elsewhere, and no frame. */
const headers = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // The page shows the host of its request. A cache could give one person's page to another, who would then send the
  // token to the wrong host.
  'cache-control': 'no-store',
}

/** GET /docs: the description of the API as a page. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  app.get(
    '/docs',
    {
      config: { operationId: 'getDocs', public: true },
      schema: {
        tags: ['Pages'],
        summary: 'This description as a page',
        description:
          'Each call with an example to copy. The page runs no script and loads nothing from elsewhere.',
        response: { 200: textResponse('text/html', 'A page.', '<!doctype html>…') },
      },
    },
    async (request, reply) => {
      const page = docsPage(app.leastwiseDescription() as Description, origin(request) + app.prefix)
      return reply.headers(headers).type('text/html; charset=utf-8').send(page.toString())
    },
  )

  app.get('/docs/style.css', { config: { public: true }, schema: { hide: true } }, async (_request, reply) =>
    reply.headers(headers).type('text/css; charset=utf-8').send(docsStyle),
  )
}

/**
 * Where the examples on the page go: whom the page was asked for. They are for a shell, so only what is a name; both may
 * be what a client said, in an app that trusts its proxies.
 */
function origin({ protocol, host }: FastifyRequest): string {
  return `${protocol === 'https' ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`
}

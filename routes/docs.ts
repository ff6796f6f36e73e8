import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { textResponse } from '../src/admin/contract/responses.js'
import type { Description } from '../src/admin/reference-page/document.js'
import { docsPage } from '../src/admin/reference-page/page.js'
import { docsStyle } from '../src/admin/reference-page/style.js'

/**
 * Headers of the page and its style sheet. The Content Security Policy lets the page load its own style sheet and
 * nothing else: no script, no inline style, no file of another host. No other page may show it in a frame.
 */
const headers = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // The page contains the host of the request for it. A shared cache could serve a page with one client's host to
  // another client, whose user would then send the token to the wrong host.
  'cache-control': 'no-store',
}

/** Adds `GET /docs`, which shows the description of the API as a page. */
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
 * Returns the protocol and host that the example commands on the page use, which are those of the request for the page.
 * In an app that trusts its proxies a client may choose both, and users paste the commands into a shell, so a host with
 * other characters than those of a host name is replaced by `localhost`.
 */
function origin({ protocol, host }: FastifyRequest): string {
  return `${protocol === 'https' ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`
}

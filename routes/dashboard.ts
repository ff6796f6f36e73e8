import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { textResponse } from '../src/admin/contract/responses.js'
import { html } from '../src/admin/reference-page/html.js'
import { policies } from '../src/balancer/selection/policies/index.js'
import { type Asset, readAssets } from '../src/dashboard/assets.js'

/**
 * Content Security Policy of the dashboard: it loads files from the gateway only, has no inline script or style, and no
 * other page may show it in a frame.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

export interface DashboardOptions {
  /** Whether the API has calls about the routes of a gateway. */
  hasRoutes: boolean
}

/**
 * Adds the routes of the dashboard. The page needs no token because it contains no data: it requests everything that it
 * shows from the admin API, with the token that the user enters.
 */
export const dashboardRoutes: FastifyPluginAsyncTypebox<DashboardOptions> = async (app, { hasRoutes }) => {
  const options = Object.entries(policies).map(
    ([name, { meaning }]) => html`<option value="${name}">${meaning}</option>`,
  )
  const { page, assets } = readAssets(html`${options}`.toString(), hasRoutes)

  app.get(
    '/',
    {
      config: { operationId: 'getDashboard', public: true },
      schema: {
        tags: ['Pages'],
        summary: 'The dashboard',
        description:
          'The pools, routes and backends live, with buttons for what this API can do to them. The page asks for the token itself, and loads nothing from elsewhere.',
        response: { 200: textResponse('text/html', 'A page.', '<!doctype html>…') },
      },
    },
    (request, reply) => {
      const [path = ''] = request.originalUrl.split('?', 1)
      // Links in the page are relative to its folder, so the URL of the page has to end with a slash.
      if (!path.endsWith('/')) return reply.redirect(`${path.slice(path.lastIndexOf('/') + 1)}/`, 308)
      return sendAsset(request, reply, page)
    },
  )

  for (const [name, asset] of assets) {
    app.get(`/dashboard/${name}`, { config: { public: true }, schema: { hide: true } }, (request, reply) =>
      sendAsset(request, reply, asset),
    )
  }
}

function sendAsset(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, etag, content }: Asset,
): FastifyReply {
  reply
    .header('content-security-policy', policy)
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'no-referrer')
    .header('cross-origin-opener-policy', 'same-origin')
    .header('cross-origin-resource-policy', 'same-origin')
    // With `no-cache`, a browser stores the file but asks the gateway before each use whether the file has changed.
    .header('cache-control', 'no-cache')
    .header('etag', etag)
  const known = (request.headers['if-none-match'] ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
  if (known.includes(etag) || known.includes('*')) return reply.code(304).send()
  return reply.type(type).send(content)
}

import type { AuthConfig, RouteConfig } from '../../config/file/gateway-config.js'

/**
 * Finds the request fields by which routes tell a pool who asks. A backend cannot know which route a request took, so a
 * client must not set them on another route to the same pool either.
 * @returns for each route the fields that are removed from its requests, in lower case: those of other routes to its pools
 */
export function foreignIdentityFields(routes: readonly RouteConfig[]): (route: RouteConfig) => string[] {
  const byPool = new Map<string, Set<string>>()
  for (const { auth, pools } of routes) {
    for (const { pool } of pools) {
      const fields = byPool.get(pool) ?? new Set()
      for (const field of identityFieldsOf(auth)) fields.add(field)
      byPool.set(pool, fields)
    }
  }
  return ({ auth, pools }) => {
    const own = identityFieldsOf(auth)
    const all = new Set(pools.flatMap(({ pool }) => [...(byPool.get(pool) ?? [])]))
    return [...all].filter((field) => !own.includes(field))
  }
}

/** The request fields that a route sets from what it has checked. */
function identityFieldsOf(auth: AuthConfig | undefined): string[] {
  if (!auth) return []
  if ('jwt' in auth) return Object.values(auth.jwt.forward)
  const { forward } = 'basic' in auth ? auth.basic : auth.apiKey
  return forward === '' ? [] : [forward]
}

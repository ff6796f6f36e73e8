/** What the page shows. */
export type View =
  | { kind: 'overview' }
  /** One pool; without a name the only one there is. */
  | { kind: 'pool'; name: string | undefined }
  | { kind: 'route'; name: string }

/**
 * Returns the view that the fragment of the page's URL names, as `#/pools/users`; undefined for a fragment that names
 * none.
 */
export function viewOf(hash: string): View | undefined {
  if (hash === '#/') return { kind: 'overview' }
  const [, kind, text] = /^#\/(pools|routes)\/(.+)$/.exec(hash) ?? []
  if (kind === undefined || text === undefined) return undefined
  try {
    const name = decodeURIComponent(text)
    return kind === 'pools' ? { kind: 'pool', name } : { kind: 'route', name }
  } catch {
    return undefined
  }
}

/** Returns the fragment that names a view. */
export function linkTo(kind: 'pool' | 'route', name: string): string {
  return `#/${kind}s/${encodeURIComponent(name)}`
}

/** Returns the path of a backend in the admin API. */
export function pathOf(id: string): string {
  return `/backends/${encodeURIComponent(id)}`
}

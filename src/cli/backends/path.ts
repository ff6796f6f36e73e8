/** Where the admin API has a backend. */
export function pathOf(id: string): string {
  return `/backends/${encodeURIComponent(id)}`
}

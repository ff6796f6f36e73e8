import type { RouteMatch } from './route-match.js'

/**
 * Orders matches of the same host and path: the more specific one comes first. One with methods is before one without,
 * then one with more header fields, then one with more query parameters.
 * @returns 0 where both are equally specific
 */
export function compareConditions(a: RouteMatch, b: RouteMatch): number {
  return (
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    countOf(b.headers) - countOf(a.headers) ||
    countOf(b.query) - countOf(a.query)
  )
}

function countOf(values: Readonly<Record<string, string>>): number {
  return Object.keys(values).length
}

/** A value that a request must have for a route. */
export interface Condition {
  kind: 'header' | 'query'
  name: string
  value: string
}

/** The header fields and query parameters that a match asks for. */
export function conditionsOf({ headers, query }: RouteMatch): Condition[] {
  return [
    ...Object.entries(headers).map(([name, value]): Condition => ({ kind: 'header', name, value })),
    ...Object.entries(query).map(([name, value]): Condition => ({ kind: 'query', name, value })),
  ]
}

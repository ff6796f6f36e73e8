import type { RoutedRequest } from './route-match.js'
import type { Condition } from './specificity.js'

/**
 * What conditions ask of one request. A header field that came several times has all values, joined with `, `, and so
 * matches a single one no longer. Of a query parameter that came several times the first value counts, as in the Gateway
 * API. A query is decoded as a form is: `+` is a space.
 */
export class RequestValues {
  readonly method: string
  readonly #request: RoutedRequest
  #query: Map<string, string> | undefined

  constructor(request: RoutedRequest) {
    this.method = request.method
    this.#request = request
  }

  valueOf(kind: Condition['kind'], name: string): string | undefined {
    if (kind === 'query') return this.#parameters().get(name)
    const { headers } = this.#request
    if (!Object.hasOwn(headers, name)) return undefined
    const value = headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** The names of what the request has. */
  names(kind: Condition['kind']): Iterable<string> {
    return kind === 'query' ? this.#parameters().keys() : Object.keys(this.#request.headers)
  }

  #parameters(): Map<string, string> {
    if (this.#query) return this.#query
    this.#query = new Map()
    const { path } = this.#request
    const start = path.indexOf('?')
    if (start === -1) return this.#query
    for (const [name, value] of new URLSearchParams(path.slice(start + 1))) {
      if (!this.#query.has(name)) this.#query.set(name, value)
    }
    return this.#query
  }
}

import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { targetOf } from './target.js'

/** How the paths of clients and of backends differ. */
export interface PathMapping {
  /** How many segments at the start of a client's path are the prefix of the pool's routes. */
  segments: number
  /** The path that backends get in place of the prefix. */
  rewritePrefix: string
  /** Whether the app's router treats several slashes in a row as one. */
  joinsSlashes: boolean
}

/** Whether the router of an app treats several slashes in a row as one. */
export function joinsSlashes({ initialConfig }: FastifyInstance): boolean {
  const { routerOptions, ignoreDuplicateSlashes } = initialConfig
  return routerOptions?.ignoreDuplicateSlashes === true || ignoreDuplicateSlashes === true
}

/**
 * Path and query for the backend: the client's without its first `segments` and with `rewritePrefix` in their place,
 * otherwise byte for byte. Segments are counted, not compared, because the router matched them decoded.
 * @returns undefined where dots in the path would lead a backend that resolves them out of `rewritePrefix`
 */
export function rewritePath(
  url: string,
  segments: number,
  rewritePrefix: string,
  joinsSlashes = false,
): string | undefined {
  const rest = segments === 0 ? url : url.slice(endOfSegments(url, segments, joinsSlashes))
  if (rewritePrefix === '' || rewritePrefix === '/') return rest.startsWith('/') ? rest : `/${rest}`
  if (leavesPrefix(rest)) return undefined
  return rest.startsWith('/') && rewritePrefix.endsWith('/')
    ? rewritePrefix + rest.slice(1)
    : rewritePrefix + rest
}

/**
 * The prefix that {@link rewritePath} removes from a request's path, as the client wrote it; empty where nothing is
 * removed.
 */
export function prefixOf(
  raw: IncomingMessage,
  { segments, rewritePrefix, joinsSlashes }: PathMapping,
): string {
  if (segments === 0) return ''
  const path = targetOf(raw)?.path ?? ''
  let prefix = path.slice(0, endOfSegments(path, segments, joinsSlashes))
  // A Location that begins with two slashes would name another host.
  if (joinsSlashes) prefix = prefix.replaceAll(/\/{2,}/g, '/')
  return prefix === rewritePrefix ? '' : prefix
}

/** Where the first `count` segments of a path end. */
function endOfSegments(path: string, count: number, joinsSlashes: boolean): number {
  const query = path.indexOf('?')
  const end = query === -1 ? path.length : query
  let index = 0
  for (let i = 0; i < count; i++) {
    if (joinsSlashes) while (path[index + 1] === '/') index++
    index = path.indexOf('/', index + 1)
    if (index === -1 || index > end) return end
  }
  return index
}

/** Whether dots in a path lead above its start. */
function leavesPrefix(rest: string): boolean {
  const path = rest.split('?', 1)[0] as string
  if (!path.includes('.') && !/%(?:25)*2e/i.test(path)) return false
  const decoded = path.replaceAll(/%(?:25)*2e/gi, '.').replaceAll(/%(?:25)*3b/gi, ';')
  let depth = 0
  for (const segment of decoded.split('/')) {
    // Backends differ in which characters separate segments once a path is decoded, and some decode twice. So dots count
    // behind every character that any backend takes as a separator, and what such characters separate leads down once.
    let isDown = false
    for (const part of segment.split(/\\|%(?:25)*(?:2f|5c)/i)) {
      // Some backends take off what follows a semicolon.
      const name = part.split(';', 1)[0] as string
      if (name === '..') {
        if (--depth < 0) return true
        isDown = false
      } else if (name !== '' && name !== '.' && !isDown) {
        depth++
        isDown = true
      }
    }
  }
  return false
}

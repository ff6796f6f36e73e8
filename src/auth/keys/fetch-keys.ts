import type { PublicJwk } from './key-set-source.js'
import { lifetimeOf } from './lifetime.js'
import { usableKeys } from './usable-keys.js'

/** Largest key set in bytes, decompressed. */
const MAX_BYTES = 1_048_576
const MAX_REDIRECTS = 3
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export interface FetchedKeys {
  keys: PublicJwk[]
  /** How long they may be used without asking again, in milliseconds. */
  lifetime: number
}

/**
 * Fetches a key set.
 * @param timeout for all of it, in milliseconds
 * @param signal ends the fetch
 * @throws {Error} that says in one line why there are no keys
 */
export async function fetchKeys(url: string, timeout: number, signal: AbortSignal): Promise<FetchedKeys> {
  const timer = AbortSignal.timeout(timeout)
  try {
    const response = await follow(new URL(url), AbortSignal.any([timer, signal]))
    const document = parse(await read(response))
    return { keys: usableKeys(document), lifetime: lifetimeOf(response.headers) }
  } catch (error) {
    throw timer.aborted ? new Error(`it was not there within ${timeout} ms`) : new Error(reasonOf(error))
  }
}

/** Asks for a URL and follows redirects: those to another host only where that has a certificate. */
async function follow(first: URL, signal: AbortSignal): Promise<Response> {
  let url = first
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      redirect: 'manual',
      signal,
    })
    if (response.status === 200) return response
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (!REDIRECTS.has(response.status) || location === null) {
      throw new Error(`the status is ${response.status}`)
    }
    const next = new URL(location, url)
    const isAllowed = next.protocol === 'https:' || (url.protocol === 'http:' && isSameOrigin(next, url))
    if (!isAllowed) throw new Error(`it is redirected to ${next.origin}, which is neither https nor the same`)
    if (redirects === MAX_REDIRECTS) throw new Error(`there are more than ${MAX_REDIRECTS} redirects`)
    url = next
  }
}

function isSameOrigin(one: URL, other: URL): boolean {
  return one.protocol === other.protocol && one.host === other.host
}

/** Reads a body up to {@link MAX_BYTES}. */
async function read({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop cancels the body.
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('it is no JSON')
  }
}

/** Why a fetch failed: `fetch` tells the reason as the cause of its error. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } }
  return cause?.code ?? cause?.message ?? message
}

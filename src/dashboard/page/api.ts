/**
 * Milliseconds that a call may take. A browser opens at most six connections to a host. If six pages each hold one of
 * these for their event stream, the browser delays further calls without an error, and an action that runs much later
 * would surprise the user who clicked.
 */
const CALL_TIMEOUT_MS = 10_000
const TOKEN_KEY = `leastwise token ${new URL('.', document.baseURI).pathname}`

/**
 * The error of a call that the admin API refused, or that did not reach it. The message is for the user of the page.
 */
export class ApiError extends Error {
  /** HTTP status of the response; 0 if there was no response. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

let poolPrefix = ''

/** Sets the pool that calls of a pool are for. @param name undefined for the only one there is */
export function setPool(name: string | undefined): void {
  poolPrefix = name === undefined ? '' : `pools/${encodeURIComponent(name)}/`
}

/** Returns the path of a call of the pool. */
export function poolPath(path: string): string {
  return poolPrefix + path
}

/** Returns the token of this browser tab; empty if the user has entered none. */
export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? ''
}

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token)
}

/**
 * Calls the admin API of the gateway that served the page.
 * @throws {ApiError} if the status is not 2xx, or if there is no response
 */
export async function call(
  method: string,
  path: string,
  options: { body?: object; headers?: Record<string, string>; signal?: AbortSignal; timeout?: number } = {},
): Promise<Response> {
  const headers = new Headers(options.headers)
  if (token() !== '') headers.set('authorization', `Bearer ${token()}`)
  if (options.body) headers.set('content-type', 'application/json')
  const { timeout = CALL_TIMEOUT_MS } = options
  const signals = options.signal ? [options.signal] : []
  if (Number.isFinite(timeout)) signals.push(AbortSignal.timeout(timeout))
  const signal = AbortSignal.any(signals)
  const request: RequestInit = { method, headers, signal, cache: 'no-store' }
  if (options.body) request.body = JSON.stringify(options.body)
  let response: Response
  try {
    // The path is relative to the URL of the page, so the page works behind a prefix as well as at the root of a host.
    response = await fetch(path, request)
  } catch {
    throw new ApiError(0, 'The gateway does not answer.')
  }
  if (response.ok) return response
  throw new ApiError(response.status, await messageOf(response))
}

async function messageOf(response: Response): Promise<string> {
  const fallback = `The gateway answered ${response.status}.`
  try {
    const { message } = (await response.json()) as { message?: unknown }
    return typeof message === 'string' ? message : fallback
  } catch {
    return fallback
  }
}

/**
 * Milliseconds that a call may take. A browser opens six connections to a host: where six pages hold one each for their
 * stream, it delays further calls without an error, and an action that is sent much later would surprise whoever clicked.
 */
const CALL_TIMEOUT_MS = 10_000
const TOKEN_KEY = `leastwise token ${new URL('.', document.baseURI).pathname}`

/** The admin API refused a call, or could not be reached. The message is for the user of the page. */
export class ApiError extends Error {
  /** Status of the answer; 0 where there was none. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The token of this browser tab; empty where none was entered. */
export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? ''
}

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token)
}

/** Calls the admin API of the gateway that the page came from. @throws {ApiError} for everything but 2xx */
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
    // The path is relative to the page's URL, so it works behind a prefix as well as at the root.
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

/**
 * Milliseconds that a call may take. With six pages of a host open, each of which has a stream, a browser makes no
 * further connection to it, and holds calls back without a word: to act on them long after would be a surprise.
 */
const PATIENCE = 10_000
const KEY = `leastwise token ${new URL('.', document.baseURI).pathname}`

/** The admin API refused a call, or could not be asked; the message is for whoever sits before the page. */
export class ApiError extends Error {
  /** 0 where there was no answer. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The token of this tab; empty where none was given. */
export function token(): string {
  return sessionStorage.getItem(KEY) ?? ''
}

export function setToken(token: string): void {
  sessionStorage.setItem(KEY, token)
}

/** Calls the admin API of the gateway that the page came from. @throws {ApiError} for everything but 2xx */
export async function call(
  method: string,
  path: string,
  options: { body?: object; headers?: Record<string, string>; signal?: AbortSignal; patience?: number } = {},
): Promise<Response> {
  const headers = new Headers(options.headers)
  if (token() !== '') headers.set('authorization', `Bearer ${token()}`)
  if (options.body) headers.set('content-type', 'application/json')
  const { patience = PATIENCE } = options
  const signals = options.signal ? [options.signal] : []
  if (Number.isFinite(patience)) signals.push(AbortSignal.timeout(patience))
  const signal = AbortSignal.any(signals)
  const request: RequestInit = { method, headers, signal, cache: 'no-store' }
  if (options.body) request.body = JSON.stringify(options.body)
  let response: Response
  try {
    // Relative to where the page is: behind a prefix as well as at the root.
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

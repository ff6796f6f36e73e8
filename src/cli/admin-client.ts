import { once } from 'node:events'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { ConfigMistake } from '../admin/contract/config.js'
import type { Access } from './access.js'
import { Failure } from './failure.js'

/** Bytes of the largest response that is read. The list of 10,000 backends has 4 MB. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024

/** Converts the JSON document of a response to a result. @throws {Error} that says what is wrong with the document */
export type Reader<T> = (document: unknown) => T

/**
 * Calls the admin API. It uses `node:http` instead of `fetch`, because `node:http` starts faster, never follows a
 * redirect and so does not send the token elsewhere, and connects to any port.
 */
export class AdminClient {
  readonly url: string
  readonly #token: string | undefined
  readonly #timeout: number

  /** Start of the path of calls for the chosen pool; empty if no pool was named. */
  readonly #prefix: string

  /**
   * @param timeout milliseconds within which the whole response has to arrive
   * @param pool name of the pool to which calls apply; without a name the API uses the pool `default`, or else the only
   * pool
   */
  constructor({ url, token }: Access, timeout: number, pool?: string) {
    this.url = url
    this.#prefix = pool === undefined ? '' : `/pools/${encodeURIComponent(pool)}`
    this.#token = token
    this.#timeout = timeout
  }

  /**
   * Makes a call, and returns the result that `read` makes of its response.
   * @param path path of the call below the path of the pool
   * @param read converts the document of the response to the result
   * @throws {Failure} if the gateway refused the call, did not respond, or sent a response that is not one of the admin
   * API
   */
  async call<T>(
    method: string,
    path: string,
    { read, body, signal }: { read: Reader<T>; body?: unknown; signal?: AbortSignal },
  ): Promise<T> {
    const { status, phrase, location, text } = await this.#send(method, path, body, signal)
    if (status >= 200 && status < 300) {
      try {
        return read(status === 204 ? undefined : JSON.parse(text))
      } catch (error) {
        const why = error instanceof SyntaxError ? 'it is not JSON' : (error as Error).message
        throw this.#notAdminApi(`what is not understood: ${why}`)
      }
    }
    const document = parse(text)
    if (isRefusal(document)) {
      const hint = status === 401 && this.#token === undefined ? '; ADMIN_TOKEN is not set' : ''
      throw new Failure('refused', document.message + hint, document.code, status, mistakesIn(document))
    }
    if (location !== undefined) throw this.#notAdminApi(`${status}, a redirect to ${location}`)
    throw this.#notAdminApi(`${status} ${phrase}`)
  }

  async #send(method: string, path: string, body: unknown, signal: AbortSignal | undefined) {
    const url = new URL(this.url + this.#prefix + path)
    const timeout = AbortSignal.timeout(this.#timeout)
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method,
      headers: {
        accept: 'application/json',
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
    // Errors after the start of the response are thrown where its body is read, so this listener ignores them.
    request.on('error', () => undefined)
    try {
      request.end(body === undefined ? undefined : JSON.stringify(body))
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const { statusCode: status = 0, statusMessage: phrase = '', headers } = response
      return { status, phrase, location: headers.location, text: await this.#read(response) }
    } catch (error) {
      if (error instanceof Failure) throw error
      if (timeout.aborted) throw this.#unreachable(`did not answer within ${this.#timeout} ms`)
      throw this.#unreachable(reason(error as NodeJS.ErrnoException))
    }
  }

  async #read(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of response) {
      length += chunk.length
      if (length > MAX_RESPONSE_BYTES) throw this.#notAdminApi('more than any gateway has to say')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }

  #unreachable(why: string): Failure {
    return new Failure('unreachable', `${this.url} ${why}`)
  }

  #notAdminApi(what: string): Failure {
    return this.#unreachable(
      `answered ${what}; that is no admin API (--url takes its prefix, too: http://host/admin)`,
    )
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRefusal(document: unknown): document is { code: string; message: string } {
  const { code, message } = (document ?? {}) as Record<string, unknown>
  return typeof code === 'string' && code.startsWith('LEASTWISE_') && typeof message === 'string'
}

/** The mistakes of the gateway's file in an error; undefined where it has none. */
function mistakesIn(document: object): readonly ConfigMistake[] | undefined {
  const { mistakes } = document as { mistakes?: unknown }
  const known = Array.isArray(mistakes) && mistakes.length > 0 && mistakes.every(isMistake)
  return known ? mistakes : undefined
}

function isMistake(value: unknown): value is ConfigMistake {
  const { file, path, message } = (value ?? {}) as Record<string, unknown>
  return [file, path, message].every((text) => typeof text === 'string')
}

function reason({ code = '', message }: NodeJS.ErrnoException): string {
  if (code === 'ECONNREFUSED') return 'refused the connection'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'has no address'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'broke the connection before its answer was whole'
  if (code.startsWith('HPE_')) return 'does not answer in HTTP'
  if (/CERT|SIGNED|UNABLE_TO/.test(code)) return `has a certificate that is not trusted (${code})`
  return `cannot be reached (${code || message})`
}

import { expectsContinue } from '../downstream/connection/expect.js'
import { onFinished } from '../downstream/connection/pipeline.js'
import type { HttpDownstream } from '../downstream/downstream.js'
import type { MirrorOptions } from './mirror-options.js'
import { RequestCopy } from './request-copy.js'

/**
 * Sends copies of a route's requests to another pool, and drops what is answered. A copy changes nothing for the client
 * of the request: it is sent only once the whole request has come and only where a backend has room at once, and is not
 * sent again.
 */
export class Mirror {
  readonly #options: MirrorOptions

  constructor(options: MirrorOptions) {
    this.#options = options
  }

  /**
   * Begins to copy a request that is about to be forwarded, if it is one of those that are copied.
   * @param whole the body, if it was read already
   */
  begin(downstream: HttpDownstream, hasBody: boolean, whole: Buffer | undefined): RequestCopy | undefined {
    const { percent, random, count } = this.#options
    if (percent < 100 && random() * 100 >= percent) return undefined
    if (!this.#isCopied(downstream, hasBody)) {
      count('dropped')
      return undefined
    }
    const { request, reply } = downstream
    const copy = new RequestCopy(this.#options)
    if (whole) {
      copy.hold(whole)
    } else if (hasBody) {
      const stop = copy.collect(request.raw)
      onFinished(request.raw, reply.raw, stop)
    }
    return copy
  }

  #isCopied({ request: { raw }, isUpgrade }: HttpDownstream, hasBody: boolean): boolean {
    if (isUpgrade || expectsContinue(raw)) return false
    return !hasBody || Number(raw.headers['content-length'] ?? 0) <= this.#options.maxBody
  }
}

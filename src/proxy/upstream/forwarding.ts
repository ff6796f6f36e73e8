import { ClientGoneError } from '../../balancer/errors.js'
import type { ProxyContext } from '../context.js'
import type { ResponseCallback } from '../http/response.js'
import { Forwarder, type ForwarderOptions } from './forwarder.js'
import { reacquire } from './reacquire.js'

/** Forwards the requests of one route to the backends of one pool. */
export class Forwarding {
  readonly #options: ForwarderOptions

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /**
   * Forwards a request to the backend of its lease.
   * @param callback called once with a response or an error, unless the client leaves
   */
  forward(context: ProxyContext, callback: ResponseCallback): void {
    if (context.lease.held) {
      new Forwarder(this.#options, context, callback)
    } else if (context.isOver) {
      callback(new ClientGoneError())
    } else {
      // The backend was removed before anything was sent to it, so another backend can take the request as well.
      reacquire(this.#options.balancer, context, {
        again: false,
        onLease: () => new Forwarder(this.#options, context, callback),
        onReject: callback,
      })
    }
  }
}

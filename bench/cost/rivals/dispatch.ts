import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

/** Sends requests to a backend with nothing between undici's parser and the raw response. */
export function dispatcherTo(backend: string): (request: IncomingMessage, response: ServerResponse) => void {
  const pool = new Pool(backend, { pipelining: 1, connections: 128 })
  return (request, response) => {
    let abort: (() => void) | undefined
    response.once('close', () => {
      if (!response.writableFinished) abort?.()
    })
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        abort = () => controller.abort(new Error('the client left'))
      },
      onResponseStart(_controller, statusCode, answerHeaders) {
        response.writeHead(statusCode, answerHeaders)
      },
      onResponseData(controller, chunk) {
        if (response.write(chunk)) return
        controller.pause()
        response.once('drain', () => controller.resume())
      },
      onResponseEnd() {
        response.end()
      },
      onResponseError() {
        response.destroy()
      },
    }
    const { connection, ...headers } = request.headers
    const method = request.method as Dispatcher.HttpMethod
    const body = method === 'GET' ? null : request
    pool.dispatch({ path: request.url as string, method, headers, body }, handler)
  }
}

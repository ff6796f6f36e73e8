import type { ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

/** Sends a GET to a backend with nothing between undici's parser and the raw response. */
export function dispatcherTo(
  backend: string,
): (path: string, headers: NodeJS.Dict<string | string[]>, response: ServerResponse) => void {
  const pool = new Pool(backend, { pipelining: 1, connections: 128 })
  return (path, headers, response) => {
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
    const { connection, ...rest } = headers
    pool.dispatch({ path, method: 'GET', headers: rest }, handler)
  }
}

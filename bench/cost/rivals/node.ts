import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { answerTo } from './pieces.js'

/** What it costs node:http to take a request and to answer it: no gateway on it can be cheaper. */
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    answer(request, response)
    return
  }
  request.resume().once('end', () => answer(request, response))
})

function answer(request: IncomingMessage, response: ServerResponse): void {
  const body = answerTo(request.url as string)
  const type = { 'content-type': 'text/plain; charset=utf-8' }
  if (body instanceof Readable) body.pipe(response.writeHead(200, type))
  else response.writeHead(200, { ...type, 'content-length': body.length }).end(body)
}

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit())

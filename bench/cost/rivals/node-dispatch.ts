import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dispatcherTo } from './dispatch.js'

/** The same without Fastify. */
const dispatch = dispatcherTo(process.argv[2] as string)
const server = createServer((request, response) => {
  dispatch(request.url as string, request.headers, response)
})
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit())

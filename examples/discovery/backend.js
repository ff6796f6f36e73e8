import { once } from 'node:events'
import { createServer } from 'node:http'
import closeWithGrace from 'close-with-grace'
import { Gateways } from './gateways.js'

const { PORT = '8081', GATEWAYS = 'http://127.0.0.1:3001', ADMIN_TOKEN } = process.env

const server = createServer((_request, response) => response.end(`served by ${id}\n`))
server.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()
const id = `backend-${port}`
const { URL_OF_BACKEND: url = `http://127.0.0.1:${port}` } = process.env

const gateways = new Gateways(GATEWAYS.split(','), ADMIN_TOKEN)
// Above DRAIN_TIMEOUT of the gateways, which is 30 seconds.
closeWithGrace({ delay: 35_000 }, async () => {
  await gateways.leave(id)
  server.close()
  server.closeIdleConnections()
})
await gateways.join({ id, url })
console.log(`${id} listens at ${url} and is registered`)

import { createServer } from 'node:http'

const { HOST = '127.0.0.1', PORT = '8081', NAME = `backend on port ${PORT}` } = process.env

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    response.end('ok')
    return
  }
  const { 'x-user': user, 'x-forwarded-for': client } = request.headers
  response.setHeader('content-type', 'application/json')
  response.end(`${JSON.stringify({ backend: NAME, path: request.url, user, client })}\n`)
})

server.listen(Number(PORT), HOST, () => {
  console.log(`${NAME} listens at http://${HOST}:${server.address().port}`)
})
process.once('SIGTERM', () => server.close())

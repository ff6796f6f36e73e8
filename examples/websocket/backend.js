import { WebSocketServer } from 'ws'

const { PORT = '8081' } = process.env

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(PORT) }, () => {
  console.log(`backend listens at http://127.0.0.1:${server.address().port}`)
})
server.on('connection', (socket, request) => {
  socket.on('message', (text) => socket.send(`${request.url} on port ${server.address().port}: ${text}`))
})

import { WebSocket } from 'ws'

const [, , url = 'ws://localhost:3000/chat', text = 'hello'] = process.argv

const socket = new WebSocket(url)
socket.on('open', () => socket.send(text))
socket.on('message', (message) => {
  console.log(String(message))
  socket.close()
})

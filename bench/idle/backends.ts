import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** What a parent asks of backends; each is answered with a number. */
export type Ask =
  /** Answer no request from now on. Answered with 0. */
  | 'hold'
  /** Answer all that waits, and what comes. Answered with how many waited. */
  | 'answer'
  /** How many requests wait? */
  | 'waiting'
  /** How many connections are open? */
  | 'open'

/** Backends that answer no request while they are told to hold them: so long each request has a connection of its own. */
async function main(): Promise<void> {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
  const sockets = new Set<Socket>()
  let waiting: Socket[] = []
  let holding = false
  const urls: string[] = []
  for (let i = 0; i < 3; i++) {
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
      socket.on('data', () => {
        if (holding) waiting.push(socket)
        else socket.write(answer)
      })
    })
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
    await once(server, 'listening')
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
  const count: Record<Ask, () => number> = {
    hold: () => 0,
    answer: () => waiting.length,
    waiting: () => waiting.length,
    open: () => sockets.size,
  }
  process.on('message', (ask: Ask) => {
    const number = count[ask]()
    if (ask === 'hold' || ask === 'answer') holding = ask === 'hold'
    if (ask === 'answer') {
      for (const socket of waiting) socket.write(answer)
      waiting = []
    }
    process.send?.(number)
  })
  // Who presses Ctrl-C wants the parent to stop.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit())
  process.send?.(urls)
}

main()

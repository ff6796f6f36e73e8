import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const request = 'GET / HTTP/1.1\r\nhost: bench.example\r\n\r\n'
/** Connections that are opened at a time: a listener takes no more than its backlog holds. */
const BATCH = 100

/** Clients on kept connections, each of which has one request at a time. */
export class IdleClients {
  readonly #sockets: Socket[] = []
  #closing = false

  /** Connections that are open. */
  get count(): number {
    return this.#sockets.length
  }

  async open(port: number, count: number): Promise<Socket[]> {
    this.#closing = false
    const opened: Socket[] = []
    while (opened.length < count) {
      const batch = Array.from({ length: Math.min(BATCH, count - opened.length) }, () => {
        return connect({ port, host: '127.0.0.1', noDelay: true })
      })
      this.#sockets.push(...batch)
      await Promise.all(batch.map((socket) => once(socket, 'connect')))
      opened.push(...batch)
    }
    return opened
  }

  /** Sends a request on each connection; resolves once all are answered. */
  async request(sockets: Socket[]): Promise<void> {
    await Promise.all(
      sockets.map(async (socket) => {
        socket.write(request)
        const [answer] = (await once(socket, 'data')) as [Buffer]
        if (!this.#closing && !answer.toString('latin1').startsWith('HTTP/1.1 200')) {
          throw new Error(`not the answer that was expected: ${answer}`)
        }
      }),
    )
  }

  close(): void {
    this.#closing = true
    for (const socket of this.#sockets.splice(0)) socket.destroy()
  }
}

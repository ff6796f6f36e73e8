import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { Headers } from '../../src/proxy/http/fields.js'
import { addressOf } from '../../src/proxy/upstream/transport/address.js'
import { ConnectionPool } from '../../src/proxy/upstream/transport/http1/connection-pool.js'
import { Connector } from '../../src/proxy/upstream/transport/http1/connector.js'
import { MalformedResponseError } from '../../src/proxy/upstream/transport/http1/malformed-response-error.js'
import type { TransportListener, UpstreamRequest } from '../../src/proxy/upstream/transport/transport.js'
import { TestClock } from '../support/clock.js'
import type { Answer } from './answer.js'

/** How a backend sends a response. */
export interface Sending {
  /** What is written one after the other. */
  pieces: readonly Buffer[]
  /** What the backend does with the connection then; a reset waits until all has arrived. */
  ending: 'keep' | 'end' | 'reset'
  /** Number of bytes that arrive of the body, and number of heads. */
  bodyBytes: number
  heads: number
}

/** What the gateway's client said of a response. */
export interface Received {
  heads: [statusCode: number, statusMessage: string, headers: Headers][]
  body: string
  /** `end`, `switch`, `cut`, or the code of a fault. */
  end: string
  trailers: Headers
  /** Bytes behind a switch. */
  left: string
  /** True if the request came on a connection that had served another one. */
  isReused: boolean
}

/** A backend and the gateway's connections to it. */
export class Wire {
  readonly #server: Server
  readonly #pool: ConnectionPool
  #sending!: Sending
  readonly #sockets = new Set<Socket>()
  /** The socket of the backend on which the last request came. */
  #socket: Socket | undefined
  #isReused = false

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => this.#serve(socket))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#pool = new ConnectionPool(new Connector(addressOf({ url }), undefined, () => undefined, 0), {
      keepAlive: 4000,
      maxConnectionAge: 0,
      maxResponseHeaders: 65_536,
      clock: new TestClock(),
    })
  }

  static async open(): Promise<Wire> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Wire(server)
  }

  close(): void {
    this.#pool.destroy()
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  /** Sends a request to the backend, which answers as it is told. */
  async ask({ method, isUpgrade }: Answer, sending: Sending): Promise<Received> {
    this.#sending = sending
    const reset = () => this.#socket?.resetAndDestroy()
    const receiver = new Receiver(sending, reset)
    const request = { method, path: '/', fields: ['host', 'a'], upgrade: isUpgrade ? 'echo' : undefined }
    // The socket of an upgrade is handed over, so the gateway opens one for it.
    const connection = isUpgrade ? this.#pool.takeNew() : this.#pool.take()
    connection.send(request as UpstreamRequest, receiver)
    await receiver.over
    return { ...receiver.received(), isReused: this.#isReused }
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket.on('error', () => {}))
    socket.on('close', () => this.#sockets.delete(socket))
    let heard = ''
    let isUsed = false
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1')
      if (!heard.endsWith('\r\n\r\n')) return
      heard = ''
      this.#isReused = isUsed
      isUsed = true
      this.#socket = socket
      this.#answer(socket).catch(() => {})
    })
  }

  async #answer(socket: Socket): Promise<void> {
    const { pieces, ending } = this.#sending
    for (const piece of pieces) {
      if (!socket.write(piece)) await once(socket, 'drain')
      await setImmediate()
    }
    if (ending === 'end') socket.end()
  }
}

class Receiver implements TransportListener {
  readonly over: Promise<void>
  readonly #sending: Sending
  readonly #reset: () => void
  readonly #heads: Received['heads'] = []
  /** The parts of the body. They are read only at the end, when their memory could have been used again. */
  readonly #parts: Buffer[] = []
  #bytes = 0
  #end = ''
  #trailers: Headers = {}
  #left = ''
  #resolve!: () => void

  constructor(sending: Sending, reset: () => void) {
    this.#sending = sending
    this.#reset = reset
    this.over = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  received(): Omit<Received, 'isReused'> {
    return {
      heads: this.#heads,
      body: Buffer.concat(this.#parts).toString('latin1'),
      end: this.#end,
      trailers: this.#trailers,
      left: this.#left,
    }
  }

  onLookedUp(): void {}
  onStarted(): void {}
  onBodyStarted(): void {}
  onBodySent(): void {}
  onBodyEnd(): void {}
  onBodyStopped(): void {}

  onResponseHead(statusCode: number, headers: Headers, statusMessage: string): void {
    this.#heads.push([statusCode, statusMessage, headers])
  }

  onResponseData(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#bytes += chunk.length
  }

  onReadEnd(): void {
    const { ending, bodyBytes, heads } = this.#sending
    if (ending === 'reset' && this.#bytes === bodyBytes && this.#heads.length === heads) this.#reset()
  }

  onResponseEnd(trailers: Headers): void {
    this.#trailers = trailers
    this.#over('end')
  }

  onSwitched(headers: Headers, socket: Socket, head: Buffer): void {
    this.#heads.push([101, '', headers])
    this.#left = head.toString('latin1')
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.#left += bytes.toString('latin1')
    })
    socket.on('end', () => {
      socket.destroy()
      this.#over('switch')
    })
    socket.resume()
  }

  onFailed(error: Error): void {
    this.#over(error instanceof MalformedResponseError ? error.code : 'cut')
  }

  #over(end: string): void {
    if (this.#end !== '') throw new Error(`"${end}" after "${this.#end}"`)
    this.#end = end
    this.#resolve()
  }
}

import { connect, type Socket } from 'node:net'

const request = Buffer.from(
  'GET /item?id=1 HTTP/1.1\r\nhost: bench.example\r\nuser-agent: bench/1.0\r\naccept: */*\r\n\r\n',
)

const HEAD_END = Buffer.from('\r\n\r\n')
const OK = Buffer.from('HTTP/1.1 200')
const LENGTH = /\r\ncontent-length: *(\d+)/i

export interface ClientsOptions {
  port: number
  connections: number
  /** Requests a second, which come at random; undefined for as many as are answered. */
  rate: number | undefined
}

/**
 * Clients on kept connections, as cheap as they can be, since they share a machine with what is measured:
 * the same bytes each time, and of an answer only its status and its length are looked at.
 */
export class Clients {
  /** Answers that came back whole, with status 200. */
  answered = 0
  /** Requests that were due while every connection was in use; there was no room for them. */
  late = 0
  /** What went wrong, if anything did. */
  error: Error | undefined
  readonly #rate: number | undefined
  readonly #sockets: Socket[]
  readonly #idle: Socket[] = []
  #stopped = false

  constructor({ port, connections, rate }: ClientsOptions) {
    this.#rate = rate
    this.#sockets = Array.from({ length: connections }, () => this.#open(port))
    if (rate !== undefined) this.#pace(performance.now())
  }

  stop(): void {
    this.#stopped = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(port: number): Socket {
    let head: Buffer | undefined
    let missing = 0
    const take = (chunk: Buffer) => {
      if (missing > 0) {
        missing -= chunk.length
      } else {
        if (head) chunk = Buffer.concat([head, chunk])
        const end = chunk.indexOf(HEAD_END)
        // (The buffer that it is read into is used again.)
        head = end === -1 ? Buffer.from(chunk) : undefined
        if (end === -1) return
        const length = LENGTH.exec(chunk.toString('latin1', 0, end))?.[1]
        if (length === undefined || !chunk.subarray(0, OK.length).equals(OK)) {
          this.#fail(new Error(`not the answer that was expected: ${chunk.toString('latin1', 0, end)}`))
          return
        }
        missing = end + HEAD_END.length + Number(length) - chunk.length
      }
      if (missing > 0) return
      this.answered++
      if (this.#rate === undefined) socket.write(request)
      else this.#idle.push(socket)
    }
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(64 * 1024),
        callback: (length, buffer) => {
          take((buffer as Buffer).subarray(0, length))
          return true
        },
      },
    })
    socket.once('connect', () => {
      if (this.#rate === undefined) socket.write(request)
      else this.#idle.push(socket)
    })
    socket.once('error', (error) => this.#fail(error))
    socket.once('close', () => this.#fail(new Error('the connection was closed')))
    return socket
  }

  #fail(error: Error): void {
    if (!this.#stopped) this.error ??= error
  }

  /** Looks in every turn of the loop: a timer would send in bursts, one each millisecond. */
  #pace(due: number): void {
    if (this.#stopped) return
    const now = performance.now()
    while (due <= now) {
      // The one that has been idle longest.
      const socket = this.#idle.shift()
      if (socket) socket.write(request)
      else this.late++
      due += (-Math.log(1 - Math.random()) / (this.#rate as number)) * 1000
    }
    setImmediate(() => this.#pace(due))
  }
}

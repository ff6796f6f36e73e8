import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A link to a server that can be slow, can stop to carry anything, and can break. */
export class TcpProxy {
  /** Milliseconds that each way takes. */
  delay = 0
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  #isHole = false
  #held: (() => void)[] = []
  /** Number of connections that were made so far. */
  connections = 0

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accepted(socket))
  }

  /** Starts a proxy to a port of this machine. It ends with the test. */
  static async start(t: TestContext, target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    t.after(() => {
      proxy.cut()
      proxy.#server.close()
    })
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** While this is true connections are accepted, and nothing passes either way. What was held passes afterwards. */
  set isHole(isHole: boolean) {
    this.#isHole = isHole
    if (isHole) return
    const held = this.#held
    this.#held = []
    for (const pass of held) pass()
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #accepted(socket: Socket): void {
    this.connections++
    const target = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true })
    this.#carry(socket, target)
    this.#carry(target, socket)
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.on('data', (bytes) => this.#pass(() => to.write(bytes)))
    from.on('end', () => this.#pass(() => to.end()))
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      this.#pass(() => to.destroy())
    })
  }

  #pass(act: () => void): void {
    const pass = () => {
      if (this.#isHole) this.#held.push(pass)
      else act()
    }
    if (this.delay > 0) setTimeout(pass, this.delay)
    else pass()
  }
}

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { reset } from '../../src/proxy/http/reset.js'

/** A connection to a gateway on which exactly what is wanted is said, and all that is answered is kept. */
export class RawClient {
  readonly socket: Socket
  /** All that was received, as latin1. */
  text = ''
  #onNews: (() => void)[] = []

  constructor(url: string) {
    const { port } = new URL(url)
    this.socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    const news = () => {
      for (const callback of this.#onNews.splice(0)) callback()
    }
    this.socket.on('error', () => {})
    this.socket.on('end', news)
    this.socket.on('close', news)
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
      news()
    })
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** Resolves once `pattern` was received. */
  async until(pattern: RegExp | string): Promise<string> {
    while (typeof pattern === 'string' ? !this.text.includes(pattern) : !pattern.test(this.text)) {
      if (this.#ended) {
        throw new Error(`the connection ended without ${pattern}: ${JSON.stringify(this.text)}`)
      }
      await this.#news()
    }
    return this.text
  }

  /** Resolves to all that was received once the other side has closed. */
  async untilClosed(): Promise<string> {
    while (!this.#ended) await this.#news()
    this.socket.destroy()
    return this.text
  }

  get #ended(): boolean {
    return this.socket.readableEnded || this.socket.destroyed
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#onNews.push(resolve)
    })
  }

  close(): void {
    this.socket.destroy()
  }

  reset(): void {
    reset(this.socket)
  }
}

/** Says `text` and gathers what is answered until the connection is closed. */
export async function exchange(url: string, text: string): Promise<string> {
  return await new RawClient(url).send(text).untilClosed()
}

/** What a {@link RawBackend} does with a request: bytes to say, or a function that does what it likes. */
export type Script = string | ((socket: Socket, request: string, backend: RawBackend) => void)

/** A server that hears whole requests, byte for byte, and says exactly what it is told to. */
export class RawBackend {
  /** The requests heard so far. */
  readonly requests: string[] = []
  /** Connections that are open. */
  readonly sockets = new Set<Socket>()
  /** Connections that were made so far. */
  connections = 0
  /** What was heard and is no whole request yet. */
  unfinished = ''
  /** The connection that something was heard on last. */
  heardOn: Socket | undefined
  script: Script
  readonly #letGo = new WeakMap<Socket, () => void>()
  readonly #server: Server

  constructor(script: Script) {
    this.script = script
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#hear(socket))
  }

  get url(): string {
    const address = this.#server.address()
    return typeof address === 'string'
      ? `unix:${address}`
      : `http://127.0.0.1:${(address as { port: number }).port}`
  }

  /** The last request. */
  get last(): string {
    return this.requests.at(-1) ?? ''
  }

  /** Listens on a port of loopback, or on a Unix socket. */
  async listen(path?: string): Promise<this> {
    if (path === undefined) this.#server.listen(0, '127.0.0.1')
    else this.#server.listen(path)
    await once(this.#server, 'listening')
    return this
  }

  /** Resolves once `condition` holds, which is looked at whenever something was heard or a connection closed. */
  async until(condition: (backend: this) => boolean): Promise<void> {
    while (!condition(this)) await once(this.#server, 'heard')
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  /** Hears no more requests on a connection, and leaves it to the caller. */
  release(socket: Socket): void {
    this.#letGo.get(socket)?.()
  }

  #hear(socket: Socket): void {
    this.connections++
    this.sockets.add(socket)
    let text = ''
    socket.on('error', () => {})
    const hear = (chunk: Buffer) => {
      this.heardOn = socket
      text += chunk.toString('latin1')
      for (let length = lengthOf(text); length > 0; length = lengthOf(text)) {
        const request = text.slice(0, length)
        text = text.slice(length)
        this.requests.push(request)
        if (typeof this.script === 'string') socket.write(this.script, 'latin1')
        else this.script(socket, request, this)
      }
      this.unfinished = text
      this.#server.emit('heard')
    }
    const close = () => {
      socket.end()
      this.#server.emit('heard')
    }
    socket.on('data', hear)
    socket.on('end', close)
    this.#letGo.set(socket, () => socket.off('data', hear).off('end', close))
    socket.on('close', () => {
      this.sockets.delete(socket)
      this.#server.emit('heard')
    })
  }
}

/** Length of the first request in `text`; 0 where it is not whole yet. */
function lengthOf(text: string): number {
  const head = text.indexOf('\r\n\r\n') + 4
  if (head < 4) return 0
  const fields = text.slice(0, head)
  if (/^transfer-encoding: *chunked\r$/im.test(fields)) {
    const end = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(text.slice(head))
    return end ? head + end.index + end[0].length : 0
  }
  const length = head + Number(/^content-length: *(\d+)\r$/im.exec(fields)?.[1] ?? 0)
  return text.length >= length ? length : 0
}

/** A header field of a raw message; several lines joined by a bar. */
export function field(message: string, name: string): string | undefined {
  const head = message.split('\r\n\r\n', 1)[0] as string
  const lines = [...head.matchAll(new RegExp(`^${name}: ?(.*)\r?$`, 'gim'))].map((match) => match[1])
  return lines.length > 0 ? lines.join(' | ') : undefined
}

/** What follows a raw message's head. */
export function bodyOf(message: string): string {
  return message.slice(message.indexOf('\r\n\r\n') + 4)
}

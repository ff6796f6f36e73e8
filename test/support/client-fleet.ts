import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { seeded } from './random.js'
import { RawClient } from './raw.js'

/** What became of a request for a client that did not give it up. */
export interface ClientResult {
  /** 0 where no answer began. */
  status: number
  /** Bytes of the request's body. */
  bytesIn: number
  /** Bytes of the answer's body; undefined where it broke. */
  bytesOut: number | undefined
}

type Options = Partial<Dispatcher.RequestOptions>

/**
 * Clients of every kind, who ask `/<what the backend is to do>/<number>`: patient ones, those who send ahead, and
 * those who leave.
 */
export class ClientFleet {
  /** Of the requests that were not given up, by their number. */
  readonly results = new Map<string, ClientResult>()
  readonly #url: string
  readonly #random: () => number
  readonly #patient = new Agent({ connections: 60, pipelining: 1 })
  readonly #ahead = new Agent({ connections: 4, pipelining: 8 })
  readonly #hasty = new Agent({ connections: 60, pipelining: 1 })
  #sent = 0

  constructor(url: string, seed: number) {
    this.#url = url
    this.#random = seeded(seed)
  }

  /** So many at once, each of which keeps its backend busy for a while. */
  async rush(count: number): Promise<void> {
    const clients = Array.from({ length: count }, () => new RawClient(this.#url))
    await Promise.all(clients.map(({ socket }) => once(socket, 'connect')))
    const text = () => `POST /late/${this.#next()} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab`
    for (const client of clients) client.send(text())
    await Promise.all(clients.map((client) => client.until(/^HTTP[\s\S]*\r\n\r\n./)))
    for (const client of clients) client.close()
  }

  /** Goes on until so many were sent in all. */
  async send(until: number): Promise<void> {
    const client = async () => {
      while (this.#sent < until) await this.#one()
    }
    await Promise.all(Array.from({ length: 60 }, client))
  }

  async close(): Promise<void> {
    await Promise.all([this.#patient, this.#ahead, this.#hasty].map((agent) => agent.destroy()))
  }

  #one(): Promise<unknown> {
    const pick = <T>(...choices: T[]) => this.#pick(choices)
    const body = (length: number): Options => ({ method: 'POST', body: Buffer.alloc(length, 'x') })
    const draw = this.#random()
    if (draw < 0.6)
      return this.#ask(pick('ok', 'ok', 'chunked', 'missing'), {}, pick(this.#patient, this.#ahead))
    if (draw < 0.7) return this.#ask(pick('ok', 'missing'), { method: 'HEAD' })
    if (draw < 0.82) return this.#ask(pick('ok', 'ok', 'error'), body(pick(4, 4, 50_000)))
    if (draw < 0.85) return this.#ask(pick('error', 'unavailable', 'late', 'doze'))
    if (draw < 0.87) return this.#ask(pick('reset', 'cut'), pick<Options>({}, body(4)))
    if (draw < 0.875) return this.#ask(pick('silent', 'stalled'), pick<Options>({}, body(4)))
    if (draw < 0.88) return this.#ask('ok', body(600_000))
    if (draw < 0.89) return this.#ask('ok', { method: 'TRACE' })
    if (draw < 0.93) return this.#leave(pick('late', 'silent', 'endless', 'chunked'), {})
    if (draw < 0.95) return this.#leave(pick('ok', 'late', 'silent'), body(100_000))
    if (draw < 0.97) return this.#sendAhead()
    if (draw < 0.975) return this.#misspeak()
    return this.#upgrade()
  }

  async #ask(kind: string, options: Options = {}, dispatcher = this.#patient): Promise<void> {
    const bytesIn = (options.body as Buffer | undefined)?.length ?? 0
    const result: ClientResult = { status: 0, bytesIn, bytesOut: undefined }
    const number = this.#next()
    this.results.set(number, result)
    try {
      const answer = await request(`${this.#url}/${kind}/${number}`, { ...options, dispatcher } as object)
      result.status = answer.statusCode
      result.bytesOut = (await answer.body.bytes()).length
    } catch {
      // The log has to say so, too.
    }
  }

  /** Leaves before the answer, or in the middle of it. */
  async #leave(kind: string, options: Options): Promise<void> {
    const leaving = new AbortController()
    const timer = setTimeout(() => leaving.abort(), this.#random() * 60)
    try {
      const { signal } = leaving
      const url = `${this.#url}/${kind}/${this.#next()}`
      const answer = await request(url, { ...options, signal, dispatcher: this.#hasty } as object)
      await answer.body.bytes()
    } catch {
      // It was to.
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends several at once, and leaves when some of them were answered. */
  async #sendAhead(): Promise<void> {
    const client = new RawClient(this.#url)
    const kind = () => this.#pick(['ok', 'chunked', 'late', 'missing', 'cut'])
    const text = () => `GET /${kind()}/${this.#next()} HTTP/1.1\r\nHost: a\r\n\r\n`
    client.send(Array.from({ length: 2 + Math.floor(this.#random() * 8) }, text).join(''))
    await Promise.race([once(client.socket, 'close'), sleep(this.#random() * 60)])
    await this.#end(client)
  }

  /** Says what no route ever sees. */
  async #misspeak(): Promise<void> {
    const path = `/ok/${this.#next()}`
    const client = new RawClient(this.#url).send(
      this.#pick([
        'nonsense\r\n\r\n',
        `CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n`,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n`,
        `UNHEARD ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        `GET ${path}%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      ]),
    )
    await client.untilClosed()
  }

  async #upgrade(): Promise<void> {
    const client = new RawClient(this.#url).send(
      `GET /upgrade/${this.#next()} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    )
    await client.until(/^HTTP[\s\S]*\r\n\r\n/)
    if (client.text.includes(' 101 ')) await client.send('hello').until('hello')
    await this.#end(client)
  }

  async #end({ socket }: RawClient): Promise<void> {
    if (socket.closed) return
    socket.resetAndDestroy()
    await once(socket, 'close')
  }

  #next(): string {
    return String(++this.#sent)
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T
  }
}

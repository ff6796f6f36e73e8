import { get, type IncomingMessage } from 'node:http'

/** One server-sent event. */
export interface Event {
  id: number | undefined
  type: string
  // biome-ignore lint/suspicious/noExplicitAny: what it is, the tests say
  data: any
}

/** A reader of server-sent events, over a real connection. */
export class EventReader {
  readonly response: IncomingMessage
  #text = ''
  #events: Event[] = []
  #news: (() => void)[] = []
  #ended = false

  private constructor(response: IncomingMessage) {
    this.response = response
    const news = () => {
      for (const callback of this.#news.splice(0)) callback()
    }
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      const blocks = (this.#text + chunk).split('\n\n')
      this.#text = blocks.pop() as string
      for (const block of blocks) this.#parse(block)
      news()
    })
    response.on('error', () => {})
    response.once('close', () => {
      this.#ended = true
      news()
    })
  }

  static open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      get(url, { headers, agent: false }, (response) => resolve(new EventReader(response))).once(
        'error',
        reject,
      )
    })
  }

  /** The next event, of this type if one is named; those before it are passed over. */
  async next(type?: string): Promise<Event> {
    for (;;) {
      const event = this.#events.shift()
      if (event && (type === undefined || event.type === type)) return event
      if (event) continue
      if (this.#ended) throw new Error('the stream ended')
      await new Promise<void>((resolve) => this.#news.push(resolve))
    }
  }

  /** Resolves once the stream has ended; to whether it did as it should. */
  async end(): Promise<boolean> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#news.push(resolve))
    return this.response.complete
  }

  close(): void {
    this.response.destroy()
  }

  #parse(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: ?(.*)/s) as [string, string]))
    const data = fields.get('data')
    if (data === undefined) return
    const id = fields.get('id')
    this.#events.push({
      id: id === undefined ? undefined : Number(id),
      type: fields.get('event') ?? 'message',
      data: JSON.parse(data),
    })
  }
}

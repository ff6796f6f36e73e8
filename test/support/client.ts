import { Agent, type Dispatcher, request } from 'undici'

export interface Reply {
  status: number
  headers: Dispatcher.ResponseData['headers']
  text: string
}

/** One request, its answer read to the end. */
export async function call(url: string, options: Parameters<typeof request>[1] = {}): Promise<Reply> {
  const { statusCode, headers, body } = await request(url, options)
  return { status: statusCode, headers, text: await body.text() }
}

/** A call of the admin API: JSON in and out. */
export async function callJson(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
  // biome-ignore lint/suspicious/noExplicitAny: what it is, the tests say
): Promise<Reply & { json: any }> {
  const reply = await call(url, {
    method: method as Dispatcher.HttpMethod,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { ...reply, json: reply.text === '' ? undefined : JSON.parse(reply.text) }
}

/** What is sent to a gateway, and how. */
interface Load {
  /** Requests in all; by default until `stop`. */
  total?: number
  concurrency: number
  method?: Dispatcher.HttpMethod
  stop?: AbortSignal
  /** Told how many are done. */
  onDone?(done: number): void
}

/**
 * Sends requests, `concurrency` at a time, on connections of their own that are kept. Resolves to how many got
 * which status; 0 stands for a connection that broke.
 */
export async function load(
  url: string,
  { total = Number.POSITIVE_INFINITY, concurrency, method = 'GET', stop, onDone }: Load,
): Promise<Map<number, number>> {
  const agent = new Agent({ connections: concurrency, pipelining: 1 })
  const statuses = new Map<number, number>()
  let started = 0
  let done = 0
  const worker = async () => {
    while (started < total && !stop?.aborted) {
      started++
      const status = await call(url, { dispatcher: agent, method }).then(
        (reply) => reply.status,
        () => 0,
      )
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      onDone?.(++done)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await agent.close()
  return statuses
}

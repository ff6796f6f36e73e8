import { setTimeout as wait } from 'node:timers/promises'

const POLL_INTERVAL_MS = 200
const RETRY_INTERVAL_MS = 1_000
const CALL_TIMEOUT_MS = 5_000

/** Registers one backend at gateways, by their admin API, and removes it again. */
export class Gateways {
  #urls
  #token

  constructor(urls, token) {
    this.#urls = urls
    this.#token = token
  }

  /** Tries each gateway until it has the backend. */
  async join(backend) {
    await Promise.all(this.#urls.map((url) => this.#joinAt(url, backend)))
  }

  /** Resolves once no gateway has a request at the backend any more. One that cannot be reached is passed over. */
  async leave(id) {
    await Promise.allSettled(this.#urls.map((url) => this.#leaveAt(url, id)))
  }

  async #joinAt(url, backend) {
    for (;;) {
      const status = await this.#call('POST', `${url}/backends`, backend).catch((error) => error.message)
      if (status === 201) return
      // It is still there from the last time, or was about to be removed.
      if (status === 409 && (await this.#call('POST', `${url}/backends/${backend.id}/activate`, {})) === 200)
        return
      console.error(`not registered at ${url} yet: ${status}`)
      await wait(RETRY_INTERVAL_MS)
    }
  }

  async #leaveAt(url, id) {
    let status = await this.#call('DELETE', `${url}/backends/${id}`)
    while (status === 202 || status === 200) {
      await wait(POLL_INTERVAL_MS)
      status = await this.#call('GET', `${url}/backends/${id}`)
    }
  }

  async #call(method, url, body) {
    const response = await fetch(url, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(this.#token && { authorization: `Bearer ${this.#token}` }),
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    await response.arrayBuffer()
    return response.status
  }
}

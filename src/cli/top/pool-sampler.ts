import type { AdminClient } from '../admin-client.js'
import { type AdminOptions, clientOf } from '../admin-command.js'
import { Failure } from '../failure.js'
import { readPools } from '../responses.js'
import { type Sample, takeSample } from './sample.js'

/** Takes samples of the pool that the options name, or of all pools where the API cannot tell which one is meant. */
export class PoolSampler {
  readonly #options: AdminOptions
  #clients: { name: string | undefined; client: AdminClient }[]

  constructor(options: AdminOptions) {
    this.#options = options
    this.#clients = [{ name: undefined, client: clientOf(options) }]
  }

  /** Takes a sample of each pool. @throws {Failure} */
  async take(signal: AbortSignal): Promise<Sample[]> {
    try {
      return await this.#sampleAll(signal)
    } catch (error) {
      const isUnclear = error instanceof Failure && error.code === 'LEASTWISE_POOL_NOT_FOUND'
      if (!isUnclear || this.#options.pool !== undefined) throw error
    }
    // There are several pools, or others than before.
    const pools = await clientOf(this.#options).call('GET', '/pools', { read: readPools, signal })
    this.#clients = pools.map(({ name }) => ({ name, client: clientOf({ ...this.#options, pool: name }) }))
    return await this.#sampleAll(signal)
  }

  #sampleAll(signal: AbortSignal): Promise<Sample[]> {
    return Promise.all(this.#clients.map(({ name, client }) => takeSample(client, signal, name)))
  }
}

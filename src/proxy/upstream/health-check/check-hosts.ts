import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import type { HostHeader } from '../../../balancer/backends/spec.js'

export interface CheckHostsOptions {
  registry: Registry
  /** The Host of every check; empty for those that are chosen here. */
  healthHost: string
  /** Which Host requests carry, where a backend has no setting of its own. */
  hostHeader: HostHeader
  /** The Host of the last request that no backend was found for. */
  refused(): string | undefined
}

/**
 * Chooses the Host of health checks. A backend may respond well only to the name of its site, so a check uses the Host of
 * requests that it has responded well to. Clients may send any Host, so that none of theirs can fail a check: where it does
 * not pass with one, the others follow, the backend's own address among them.
 */
export class CheckHosts {
  readonly #options: CheckHostsOptions
  /** The Host of a backend's last check that passed. */
  readonly #passed = new WeakMap<Backend, string>()

  constructor(options: CheckHostsOptions) {
    this.#options = options
  }

  /** The Hosts of a check in the order in which they are tried, until one passes. @param own the backend's address */
  of(backend: Backend, own: string): string[] {
    const { registry, healthHost, hostHeader, refused } = this.#options
    const fixed = backend.healthHost ?? healthHost
    if (fixed !== '') return [fixed]
    if ((backend.hostHeader ?? hostHeader) === 'backend') return [own]
    const elsewhere = registry.list().find(({ clientHost }) => clientHost !== undefined)?.clientHost
    const hosts = [backend.clientHost, this.#passed.get(backend), own, elsewhere, refused()]
    return [...new Set(hosts)].filter((host) => host !== undefined)
  }

  passed(backend: Backend, host: string): void {
    this.#passed.set(backend, host)
  }
}

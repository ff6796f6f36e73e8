import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import type { HostHeader } from '../../../balancer/backends/spec.js'

export interface CheckHostsOptions {
  registry: Registry
  /** The configured Host of every check; empty where this class chooses the Hosts. */
  healthHost: string
  /** Which Host field requests have, where a backend has no setting of its own. */
  hostHeader: HostHeader
  /** The Host of the last request for which no backend was found. */
  refused(): string | undefined
}

/**
 * Chooses the Host of health checks. A backend may respond well only to the name of its site, so a check uses the Host
 * of requests to which the backend has responded well. Clients may send any Host, so a Host of a client must not make a
 * check fail: where one does not pass, the other Hosts follow, including the backend's own address.
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

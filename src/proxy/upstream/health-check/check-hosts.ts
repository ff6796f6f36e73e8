import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import type { HostHeader } from '../../../balancer/backends/spec.js'

export interface CheckHostsOptions {
  registry: Registry
  /** The Host that is configured for every check; empty if this class chooses the Hosts. */
  healthHost: string
  /** The pool's setting for the Host field of requests, used for backends that have no such setting of their own. */
  hostHeader: HostHeader
  /** Returns the Host of the last request for which no backend was found. */
  refused(): string | undefined
}

/**
 * Chooses the Host of health checks. A backend may respond well only to the name of its site, so a check uses the Host
 * of requests to which the backend has responded well. Clients may send any Host, so the Host of a client must not make
 * a check fail: if the check does not pass with one Host, the other Hosts follow, including the backend's own address.
 */
export class CheckHosts {
  readonly #options: CheckHostsOptions
  /** The Host with which a backend's last successful check passed. */
  readonly #passed = new WeakMap<Backend, string>()

  constructor(options: CheckHostsOptions) {
    this.#options = options
  }

  /** Returns the Hosts of a check in the order in which they are tried. @param own the backend's address */
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

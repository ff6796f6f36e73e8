import type { Backend } from '../../../balancer/backends/backend.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import type { HostHeader } from '../../../balancer/backends/spec.js'

export interface CheckHostsOptions {
  registry: Registry
  /** The Host of every check; empty for what is said here. */
  healthHost: string
  /** The Host that backends see of requests which do not say themselves. */
  hostHeader: HostHeader
  /** The Host of the last request that there was no backend for. */
  refused(): string | undefined
}

/**
 * Which Host a check says. A backend that knows its site by name answers nothing else well, so a check says what the
 * requests say that it answers well. As clients say what they like, no Host of theirs can fail a check: one with which
 * the check does not pass is followed by the others, the backend's own address among them.
 */
export class CheckHosts {
  readonly #options: CheckHostsOptions
  /** The Host with which a backend's last check that passed was made. */
  readonly #passed = new WeakMap<Backend, string>()

  constructor(options: CheckHostsOptions) {
    this.#options = options
  }

  /** The Hosts of a check, in the order in which they are tried until one passes. @param own the backend's address */
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

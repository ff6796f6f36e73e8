import type { ConfigMistake, ReloadOutcome } from '../../src/admin/contract/config.js'
import { RequestExplanation, type RequestInquiry } from '../../src/admin/contract/request-explanation.js'
import { Route, type RouteView } from '../../src/admin/contract/routes.js'
import { InvalidConfigError, NoConfigFileError } from '../../src/admin/errors.js'
import type { GatewayControl } from '../../src/admin/gateway-control.js'

/** Returns the example of a schema of the admin API. */
export function exampleOf<T>(schema: object): T {
  const { examples } = schema as { examples: T[] }
  return structuredClone(examples[0] as T)
}

/** A gateway as far as the admin API sees it. It has one route, that of the description's example. */
export class ScriptedControl implements GatewayControl {
  /** Whether it runs from a file. */
  hasFile = true
  /** For which the next reloads fail. */
  mistakes: ConfigMistake[] = []
  list: RouteView[] = [exampleOf<RouteView>(Route)]
  readonly listeners = new Set<(outcome: ReloadOutcome) => void>()

  config() {
    return { listen: [{ host: '127.0.0.1', port: 8080 }], pools: { users: { backends: [] } } }
  }

  async reload() {
    if (!this.hasFile) throw new NoConfigFileError()
    const { mistakes } = this
    const changes =
      mistakes.length > 0 ? [] : [{ kind: 'added' as const, what: 'pool' as const, name: 'orders' }]
    for (const listener of this.listeners)
      listener({ changes, changed: changes.length, mistakes: mistakes.length })
    if (mistakes.length > 0) throw new InvalidConfigError(mistakes)
    return { changes }
  }

  onReload(listener: (outcome: ReloadOutcome) => void) {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  routes() {
    return this.list
  }

  route(wanted: string) {
    return this.list.find(({ name }) => name === wanted)
  }

  async explain(_request?: RequestInquiry) {
    return exampleOf<RequestExplanation>(RequestExplanation)
  }
}

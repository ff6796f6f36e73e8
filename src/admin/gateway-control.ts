import type { ConfigDocument, ReloadOutcome, ReloadReport } from './contract/config.js'
import type { RequestExplanation, RequestInquiry } from './contract/request-explanation.js'
import type { RouteView } from './contract/routes.js'

/**
 * What the admin API reads and changes of a gateway besides its pools. An app that has the plugin has none of it, and
 * so none of the calls.
 */
export interface GatewayControl {
  /** The configuration in force, in the words of the file and without secrets. */
  config(): ConfigDocument
  /**
   * Reads the file again, and puts it in force as a whole or not at all. It resolves once every thread has it.
   * @throws {InvalidConfigError} with the mistakes for which the file is not taken
   * @throws {NoConfigFileError} if the gateway runs without a file
   */
  reload(): Promise<ReloadReport>
  /**
   * Calls the listener after each reload, whoever asked for it, and after each that failed. The pools are the new ones
   * by then.
   * @returns a function that ends the calls
   */
  onReload(listener: (outcome: ReloadOutcome) => void): () => void
  /** The routes in the order of the file; none where every request goes to the only pool. */
  routes(): Iterable<RouteView>
  /** The route of this name; undefined where there is none. */
  route(name: string): RouteView | undefined
  /** What would become of a request that came now. A dry run: no count and no later choice is changed by it. */
  explain(request: RequestInquiry): Promise<RequestExplanation>
}

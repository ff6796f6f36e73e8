import type { PoolSettings } from '../config/settings.js'
import type { ForwardingOptions } from '../proxy/upstream/dispatcher.js'

/** The settings of a pool by which requests are forwarded to its backends. */
export function forwardingOptionsOf(settings: PoolSettings): ForwardingOptions {
  return {
    failureStatus: failureStatusOf(settings),
    retryStatus: settings.retryStatus,
    hostHeader: settings.hostHeader,
    retries: settings.retries,
    requestBuffer: settings.requestBuffer,
    keepAlive: settings.upstreamKeepAlive,
    maxConnectionAge: settings.maxConnectionAge,
    maxResponseHeaders: settings.maxResponseHeaders,
    timeouts: {
      connect: settings.connectTimeout,
      response: settings.responseTimeout,
      body: settings.bodyTimeout,
    },
  }
}

/** The statuses of responses that count as gateway failures, as a list of ranges; empty for none. */
export function failureStatusOf({ failureStatus }: PoolSettings): string {
  return failureStatus === 'off' ? '' : failureStatus
}

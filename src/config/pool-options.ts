// Over 200 lines: it has every setting of a pool. It is made from src/config/settings/ by npm run generate: change the
// settings there, and run it again.
import type { OptionOf } from './settings.js'

/** Settings of a pool as options. Each is optional. Times are in milliseconds. */
export interface PoolOptions {
  /** Backends that are there from the start: URLs, or whole descriptions. Default: nothing. */
  backends?: OptionOf<'backends'>
  /**
   * Policy that chooses a backend: `least-connections`, `least-response-time`, `power-of-two`, `round-robin`,
   * `weighted-round-robin`. Default: `least-connections`.
   */
  policy?: OptionOf<'policy'>
  /**
   * Requests that a backend may have in flight, unless it has a `maxConnections` of its own; `0` for no limit
   * (requests). Default: `0`.
   */
  maxConnections?: OptionOf<'maxConnections'>
  /**
   * What a WebSocket or another tunnel without traffic counts in a choice, in percent of a request. Where a
   * backend is chosen for another upgrade, each tunnel counts in full (percent). Default: `0`.
   */
  tunnelWeight?: OptionOf<'tunnelWeight'>
  /**
   * Slow start: time in which the share of a backend that joins or recovers grows to its fair share; `0` for
   * no slow start (milliseconds). Default: `10000`.
   */
  slowStart?: OptionOf<'slowStart'>
  /**
   * Longest time that requests in flight may take when their backend is drained, or when the app that the
   * plugin is in closes; then they are cut (milliseconds). Default: `30000`.
   */
  drainTimeout?: OptionOf<'drainTimeout'>
  /**
   * Affinity: requests of one key go to one backend. The key is the address of the client (`ip`), a cookie of
   * the gateway (`cookie`, or `cookie:NAME` for another name than `leastwise`), or a field of the request
   * (`header:NAME`). `off`: requests have no key. Default: `off`.
   */
  affinity?: OptionOf<'affinity'>
  /**
   * Load past which a backend is passed over for the next one of a key, in percent of its part of all
   * requests in flight; `0` for any load (percent). Default: `125`.
   */
  affinityOverload?: OptionOf<'affinityOverload'>
  /**
   * What becomes of the keys of a backend that drains: it keeps them for nine tenths of the time for the
   * drain (`keep`), or they move to others at once (`move`). Default: `keep`.
   */
  affinityDrain?: OptionOf<'affinityDrain'>
  /**
   * Secret by which the cookie of `affinity` is signed, of at least 16 characters. Empty for a random one:
   * then a cookie is good until the process ends, and only in this process. Gateways that share clients need
   * the same one. Default: nothing.
   */
  affinitySecret?: OptionOf<'affinitySecret'>
  /**
   * Whether requests that other gateways have in flight count in a choice, where a `store` is shared. `off`:
   * they are only shown. Default: `on`.
   */
  fleetCounts?: OptionOf<'fleetCounts'>
  /**
   * Time for which an idle connection to a backend is kept; it has to be shorter than the time for which the
   * backend keeps it. `0`: each request gets a new connection (milliseconds). Default: `4000`.
   */
  upstreamKeepAlive?: OptionOf<'upstreamKeepAlive'>
  /**
   * Age from which a connection to a backend takes no further request, so that a new address of its name is
   * noticed; the request that it has goes on. `0` for any age (milliseconds). Default: `300000`.
   */
  maxConnectionAge?: OptionOf<'maxConnectionAge'>
  /**
   * PEM file with the authorities that may have signed the certificates of backends over TLS; no others are
   * trusted then. Empty for the authorities that Node trusts. The `ca` of a backend takes precedence.
   * Default: nothing.
   */
  upstreamCa?: OptionOf<'upstreamCa'>
  /**
   * PEM file with the certificate that backends over TLS are shown, and those that lead to its authority;
   * empty for none. The `cert` and `key` of a backend take precedence. Default: nothing.
   */
  upstreamCert?: OptionOf<'upstreamCert'>
  /** PEM file with the private key of `upstreamCert`, without a passphrase. Default: nothing. */
  upstreamKey?: OptionOf<'upstreamKey'>
  /**
   * Host name that backends over TLS are asked for (SNI), and that their certificates have to be valid for;
   * empty for the name or the address in the URL. The `servername` of a backend takes precedence. Default:
   * nothing.
   */
  upstreamServername?: OptionOf<'upstreamServername'>
  /**
   * Whether the certificates of backends are checked: `true` or `false`. `false` lets anyone on the way read
   * and change requests. The `rejectUnauthorized` of a backend takes precedence. Default: `true`.
   */
  upstreamRejectUnauthorized?: OptionOf<'upstreamRejectUnauthorized'>
  /**
   * Requests that may wait while every usable backend is full (at its `maxConnections`); `0` for no queue. A
   * further one gets 503. Default: `1000`.
   */
  queueLimit?: OptionOf<'queueLimit'>
  /**
   * Longest time that a request may wait while every usable backend is full (at its `maxConnections`); `0`
   * for no queue. After it the request gets 503 (milliseconds). Default: `5000`.
   */
  queueTimeout?: OptionOf<'queueTimeout'>
  /** Path of the active health check; empty for no active check. Default: nothing. */
  healthPath?: OptionOf<'healthPath'>
  /**
   * Port that health checks connect to; `0` for the port of the backend. The `healthPort` of a backend takes
   * precedence. It does not apply to Unix sockets. Default: `0`.
   */
  healthPort?: OptionOf<'healthPort'>
  /**
   * `Host` of health checks; empty for the Host of the requests. The `healthHost` of a backend takes
   * precedence. Default: nothing.
   */
  healthHost?: OptionOf<'healthHost'>
  /**
   * Whether a backend gets requests before its first health check has passed: `usable` for yes, `unusable`
   * for no, also after a restart. Default: `usable`.
   */
  healthInitial?: OptionOf<'healthInitial'>
  /** Time between two health checks of a backend, give or take a tenth (milliseconds). Default: `2000`. */
  healthInterval?: OptionOf<'healthInterval'>
  /** Longest time that a health check may take (milliseconds). Default: `1000`. */
  healthTimeout?: OptionOf<'healthTimeout'>
  /** Statuses with which a health check passes, like `200-299,401`. Default: `200-399`. */
  healthStatus?: OptionOf<'healthStatus'>
  /** Health checks that must pass in a row before an unhealthy backend is healthy. Default: `2`. */
  healthRise?: OptionOf<'healthRise'>
  /** Health checks that must fail in a row before a healthy backend is unhealthy. Default: `3`. */
  healthFall?: OptionOf<'healthFall'>
  /** Failures in a row after which a backend is ejected. Default: `5`. */
  ejectConsecutive?: OptionOf<'ejectConsecutive'>
  /**
   * Length of a backend's first ejection; the second is twice as long, the third three times, and so on
   * (milliseconds). Default: `10000`.
   */
  ejectBase?: OptionOf<'ejectBase'>
  /** Longest ejection of a backend (milliseconds). Default: `300000`. */
  ejectMax?: OptionOf<'ejectMax'>
  /** Largest part of the pool that may be ejected at once; `0` for no ejection (percent). Default: `50`. */
  ejectMaxPercent?: OptionOf<'ejectMaxPercent'>
  /**
   * Response statuses that count as failures of their backend, from 400 to 599; `off` for none. Default:
   * `500,502-504`.
   */
  failureStatus?: OptionOf<'failureStatus'>
  /**
   * Time in which the penalty that a backend has for its failures falls to a third; `0` for no penalty
   * (milliseconds). Default: `10000`.
   */
  failureDecay?: OptionOf<'failureDecay'>
  /**
   * Backends that are used when too few are usable: `ejected` for ejected ones, `unhealthy` for ejected and
   * unhealthy ones, `off` for none. Default: `ejected`.
   */
  panic?: OptionOf<'panic'>
  /**
   * Part of the active backends that must be usable; below it the pool panics. `0`: the pool panics when none
   * is usable (percent). Default: `0`.
   */
  panicThreshold?: OptionOf<'panicThreshold'>
  /** Longest time to connect to a backend (milliseconds). Default: `1000`. */
  connectTimeout?: OptionOf<'connectTimeout'>
  /**
   * Longest time from the end of a request to the first byte of its response; `0` for no limit
   * (milliseconds). Default: `30000`.
   */
  responseTimeout?: OptionOf<'responseTimeout'>
  /**
   * Longest pause between two chunks of a body, from and to clients and backends; `0` for no limit. Streams
   * of events (`text/event-stream`, `multipart/x-mixed-replace`, NDJSON, gRPC) and tunnels with both halves
   * open may pause for any time; a tunnel with one half closed, or whose one end does not read, may not
   * (milliseconds). Default: `60000`.
   */
  bodyTimeout?: OptionOf<'bodyTimeout'>
  /**
   * Most retries of a request after attempts that reached a backend. Attempts that reached no backend are not
   * counted. `0` for no retry of any kind (tries). Default: `1`.
   */
  retries?: OptionOf<'retries'>
  /**
   * Response statuses that cause a retry, like `502-504`, where the request is idempotent and has no body, or
   * one that `requestBuffer` has read whole; empty for none. Default: nothing.
   */
  retryStatus?: OptionOf<'retryStatus'>
  /**
   * Most retries after attempts that reached a backend, in percent of the requests of the last ten seconds,
   * and ten more; `0` for none (percent). Default: `20`.
   */
  retryBudget?: OptionOf<'retryBudget'>
  /**
   * When a hedge is sent for a GET or HEAD without a body that has no response yet: after so many
   * milliseconds, after the `p95` of recent response times, or `off` for never (milliseconds). Default:
   * `off`.
   */
  hedge?: OptionOf<'hedge'>
  /**
   * Most hedges, in percent of the requests of the last ten seconds; `0` for none (percent). Default: `5`.
   */
  hedgeBudget?: OptionOf<'hedgeBudget'>
  /**
   * `Host` that backends get: `client` for the client's, `backend` for the address of the backend. The
   * `hostHeader` of a backend takes precedence. Default: `client`.
   */
  hostHeader?: OptionOf<'hostHeader'>
  /**
   * Proxies that may say who the client is: `false` for none, `true` for everyone who connects, a number of
   * hops, or a list of addresses and ranges like `10.0.0.0/8,::1`. The plugin follows the app's own
   * `trustProxy` unless the option is given. Default: `false`.
   */
  trustProxy?: OptionOf<'trustProxy'>
  /**
   * Request fields with an underscore in their name, which CGI and WSGI do not distinguish from fields with a
   * hyphen: `drop` or `pass`. Default: `drop`.
   */
  underscoreHeaders?: OptionOf<'underscoreHeaders'>
  /** Whether a `Via` field is added to requests and responses: `on` or `off`. Default: `on`. */
  via?: OptionOf<'via'>
  /** Largest request body; a larger one gets 413; `0` for no limit (bytes). Default: `0`. */
  maxBody?: OptionOf<'maxBody'>
  /**
   * Bytes of a request body that are read before a backend is chosen, at most 1073741824, so that a slow
   * client holds no place on a backend meanwhile; `0` for none. A body that is read whole can be sent again
   * with a retry. Each request that waits or has no response yet takes up to as much memory (bytes). Default:
   * `0`.
   */
  requestBuffer?: OptionOf<'requestBuffer'>
  /**
   * Largest head of a backend's response, from 1024 to 16777216. Trailers have the same limit. A larger one
   * gets 502, and so does one with more than 25,000 fields (bytes). Default: `65536`.
   */
  maxResponseHeaders?: OptionOf<'maxResponseHeaders'>
  /**
   * Delay of the event loop, averaged over a second, above which proxied requests get 503; `0` for no limit
   * (milliseconds). Default: `1000`.
   */
  maxEventLoopDelay?: OptionOf<'maxEventLoopDelay'>
  /** Heap in use above which proxied requests get 503; `0` for no limit (bytes). Default: `0`. */
  maxHeapBytes?: OptionOf<'maxHeapBytes'>
}

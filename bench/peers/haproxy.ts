import type { PeerHealth, PeerKind, PeerPlan } from './peer.js'

export const haproxy: PeerKind = {
  name: 'HAProxy',
  binary: 'haproxy',
  versionArguments: ['-v'],
  launch(binary, plan) {
    // -db: in the foreground, one process.
    return {
      command: [binary, '-db', '-q', '-f', `${plan.folder}/haproxy.cfg`],
      files: { 'haproxy.cfg': configuration(plan) },
    }
  },
}

function configuration(plan: PeerPlan): string {
  const { profile, port, backends, retries, health } = plan
  const resilient = profile === 'resilient'
  const servers = backends.map(({ address, weight }, i) => `  server s${i} ${address} weight ${weight}`)
  return `
global
  nbthread 1
  maxconn 8000

defaults
  mode http
  # Times as leastwise's defaults: a shorter one would be knowledge of the service that nobody is given.
  timeout connect 1s
  timeout server 30s
  timeout queue 5s
  timeout client 72s
  timeout http-keep-alive 72s
  timeout check ${health?.timeout ?? 1000}ms
  option forwardfor

frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend pool

backend pool
  balance leastconn
  # Any request may use any idle connection, the cheapest; where connections break the careful choice is better:
  # a client's first request goes on one that has just been used.
  http-reuse ${resilient ? 'safe' : 'always'}
  # Idle connections stay while the run lasts.
  default-server pool-max-conn -1 pool-purge-delay 60s
${retries ? again : '  retries 0'}
${resilient ? watch(health) : ''}
${servers.join('\n')}
`
}

/** Three more tries, its default, each on another server, unless the method forbids it. */
const again = `  retries 3
  option redispatch 1
  retry-on all-retryable-errors
  # What is not idempotent is only tried again where no connection was made.
  http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE }`

function watch(health: PeerHealth | undefined): string {
  if (!health) return ''
  const { path, interval, fall, rise } = health
  // Requests are watched, too: failures in a row as many as leastwise takes put a server out at once, and its
  // checks bring it back, on a ramp as long as leastwise's.
  return `  option httpchk
  http-check send meth GET uri ${path}
  http-check expect status 200-399
  default-server check inter ${interval}ms fall ${fall} rise ${rise}
  default-server observe layer7 error-limit 5 on-error mark-down slowstart 10s`
}

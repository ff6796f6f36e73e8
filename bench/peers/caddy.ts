import type { PeerHealth, PeerKind, PeerPlan } from './peer.js'

export const caddy: PeerKind = {
  name: 'Caddy',
  binary: 'caddy',
  versionArguments: ['version'],
  launch(binary, plan) {
    const { folder } = plan
    if (plan.backends.some(({ weight }) => weight !== 1)) throw new Error('Caddy weighs no least_conn')
    return {
      command: [binary, 'run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'],
      files: { Caddyfile: configuration(plan) },
      // One thread runs its code; and whatever it keeps, it keeps in the folder.
      env: { GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    }
  },
}

function configuration(plan: PeerPlan): string {
  const { profile, port, retries, health } = plan
  const resilient = profile === 'resilient'
  const proxy = (more: string) => `reverse_proxy ${plan.backends.map(({ address }) => address).join(' ')} {
    lb_policy least_conn
${retries ? again(plan.backends.length) : ''}
${resilient ? watch(health) : ''}
    transport http {
      # Times as leastwise's defaults: a shorter one would be knowledge of the service that nobody is given.
      dial_timeout 1s
      response_header_timeout 30s
      # Idle connections for more requests at a time than any load here has, kept while the run lasts.
      keepalive 60s
      keepalive_idle_conns 2048
      keepalive_idle_conns_per_host 512
      versions 1.1
      # Otherwise it asks backends for gzip that clients did not ask for, and unpacks it.
      compression off
    }
${more}
  }`
  return `
{
  admin off
  auto_https off
  grace_period 500ms
  log {
    output discard
  }
  servers {
    protocols h1
  }
}

http://:${port} {
  bind 127.0.0.1
  ${proxy(resilient && retries ? secondChance(proxy('')) : '')}
}
`
}

/** Without `lb_try_duration` it waits no time between tries; of what was sent only a GET is repeated. */
function again(backends: number): string {
  return `    lb_retries ${backends - 1}`
}

/** Its retries take no status for a failure: an answer that is one is dropped for another backend's. */
function secondChance(proxy: string): string {
  return `    @failed status 500 502 503 504
    handle_response @failed {
      @repeatable method GET HEAD
      handle @repeatable {
        ${proxy}
      }
      handle {
        copy_response
      }
    }`
}

/** Three failures put a backend aside, as with nginx, for as long as leastwise ejects at first. */
function watch(health: PeerHealth | undefined): string {
  const passive = `    fail_duration 10s
    max_fails 3
    unhealthy_status 500 502 503 504`
  if (!health) return passive
  return `    health_uri ${health.path}
    health_interval ${health.interval}ms
    health_timeout ${health.timeout}ms
    health_status 2xx
${passive}`
}

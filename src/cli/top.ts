import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type AdminOptions, clientOf, poolCommand } from './admin-command.js'
import { Failure } from './failure.js'
import { type Order, orders } from './top/picture.js'
import { PoolSampler } from './top/pool-sampler.js'
import { observe, type Sample } from './top/sample.js'
import { jsonView, liveView, plainView, type View } from './top/views.js'

interface TopOptions extends AdminOptions {
  once?: boolean
  sort: Order
}

/** Milliseconds between two samples. */
const SAMPLE_INTERVAL_MS = 1000

const help = `Above the table is the pool: policy, requests in flight, queue, eligible
backends, requests that clients were answered 503 for in the last second
(refused), and retries and hedges since the start. share is the part of the
requests of the last second that a backend got; req/s and failed/s are of that
second, too. p50 and p99 are the time to the first byte of the last 1,024
responses.

On a terminal it is drawn in place, as many backends as fit, and columns are
left out where it is narrow. Keys: s sorts by the other order, p shows the next
pool, q or Ctrl-C ends it, with exit code 0. Elsewhere it prints one table below
another. Colours are left out where NO_COLOR is set or standard output is no
terminal. Where there are several pools, none of them is called default and
--pool names none, it watches all of them.

Where gateways share a store, a line has the gateways with their requests in
flight, and the store; the column elsewhere has what other gateways have in
flight on a backend.

With --json it prints a line {"at","interval","pool","backends"} each second,
for each pool with its "name" where it watches several: interval is in
milliseconds, pool as GET /pool answers, with "recent": {"refusedPerSecond"},
and a backend as GET /backends does, with "recent":
{"share","requestsPerSecond","failedPerSecond"}. share is from 0 to 1. Where
gateways share a store there are "gateways", too, as GET /gateways answers.

A gateway that does not respond any more is asked again each second.

Examples:
  leastwise top
  leastwise top --sort id --url https://gateway.example/admin
  leastwise top --once
  leastwise top --json | jq -c '[.at, .pool.inFlight, .pool.queue.length]'`

/** Makes the command `leastwise top`. */
export function topCommand(): Command {
  return poolCommand('top', 'watch the backends: a table that is renewed each second', help)
    .addOption(new Option('--sort <order>', 'what comes first').choices(orders).default('in-flight'))
    .option('--once', 'print one table, measured over a second, and exit')
    .action(watch)
}

async function watch(options: TopOptions): Promise<void> {
  const { url } = clientOf(options)
  const stopped = new AbortController()
  const stop = () => stopped.abort()
  // The listener stays in place, because npx forwards a Ctrl-C that the whole process group has already received, so
  // the signal may arrive twice.
  process.on('SIGINT', stop)
  // SIGTERM and SIGHUP end the command as a failure, so its exit code is 128 plus the number of the signal.
  for (const [signal, number] of [['SIGTERM', 15] as const, ['SIGHUP', 1] as const])
    process.once(signal, () => process.exit(128 + number))

  const open = () => {
    if (options.json) return jsonView
    const live = process.stdout.isTTY && process.env.TERM !== 'dumb' && !options.once
    return live ? liveView(url, options.sort, stop) : plainView(options.sort)
  }
  let view: View | undefined
  const sampler = new PoolSampler(options)
  let before = new Map<string | undefined, Sample>()
  try {
    while (!stopped.signal.aborted) {
      const started = performance.now()
      try {
        const samples = await sampler.take(stopped.signal)
        view ??= open()
        view.show(samples.map((sample) => observe(before.get(sample.name), sample)))
        if (before.size > 0 && options.once) return
        before = new Map(samples.map((sample) => [sample.name, sample]))
      } catch (error) {
        // The command tries again only if the failure may pass, the gateway responded before, and `--once` is not set.
        if (!(error instanceof Failure && error.isPassing && view) || options.once) throw error
        if (!stopped.signal.aborted) view.lost(error)
      }
      const left = Math.max(0, started + SAMPLE_INTERVAL_MS - performance.now())
      await sleep(left, undefined, { signal: stopped.signal })
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error
  } finally {
    view?.close()
  }
}

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { deadUrl } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { Crowd } from '../support/crowd.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { type Sight, Witness } from '../support/witness.js'

const witnesses = new Map<string, Witness>()
let gateway: GatewayProcess

before(async () => {
  for (const name of ['a', 'b', 'c', 'drained', 'removed']) witnesses.set(name, await new Witness().listen())
  const backends = [...witnesses].map(([id, { url }]) => `${url};id=${id}`)
  gateway = await startGateway({
    BACKENDS: [...backends, `${await deadUrl()};id=dead`].join(),
    RESPONSE_TIMEOUT: '300',
    BODY_TIMEOUT: '300',
    MAX_BODY: '500000',
    MAX_CONNECTIONS: '1',
    QUEUE_LIMIT: '5',
    QUEUE_TIMEOUT: '60',
    RETRY_BUDGET: '100',
    HEDGE: '80',
    HEDGE_BUDGET: '100',
    SLOW_START: '0',
    EJECT_BASE: '200',
  })
})
after(async () => {
  await gateway.stop()
  for (const witness of witnesses.values()) await witness.close()
})

/** A request, as the log has it. */
interface Line {
  statusCode: number | null
  outcome: string
  error: string | null
  aborted: boolean
  backend: string | null
  attempts: number
  queueTime: number
  /** Null for what no route ever saw. */
  responseTime: number | null
  bytesIn: number
  bytesOut: number
  path: string | null
}

const lines = () => gateway.lines.filter(({ msg }) => msg === 'request') as unknown as Line[]

/** A page on which as much is counted as was logged. Who is not satisfied with it says why. */
async function settled(): Promise<Exposition> {
  const of = (registered: Set<string>) =>
    lines().filter(({ backend }) => registered.has(backend ?? '')).length
  for (let tries = 1; ; tries++) {
    const page = parseExposition((await call(`${gateway.admin}/metrics`)).text)
    const busy = page.sum('leastwise_backend_in_flight') + page.sum('leastwise_queue_length')
    const registered = new Set(page.samples.map(({ labels }) => labels.backend ?? ''))
    if (tries === 300 || (busy === 0 && page.sum('leastwise_requests_total') === of(registered))) return page
  }
}

type Counts = Record<string, number>

/** What a page says, by the labels in their order; without what there is none of. */
function counted(page: Exposition, metric: string, ...labels: string[]): Counts {
  const counts: Counts = {}
  for (const { name, labels: own, value } of page.samples) {
    const key = labels.map((label) => own[label]).join(' ')
    if (name === metric && value > 0) counts[key] = (counts[key] ?? 0) + value
  }
  return counts
}

/** What the log says, by the same. */
function logged(these: Line[], keyOf: (line: Line) => string | undefined, amountOf = (_: Line) => 1): Counts {
  const counts: Counts = {}
  for (const line of these) {
    const key = keyOf(line)
    if (key !== undefined && amountOf(line) > 0) counts[key] = (counts[key] ?? 0) + amountOf(line)
  }
  return counts
}

const resultOf = ({ backend, statusCode, outcome }: Line) =>
  `${backend ?? ''} ${statusCode === null ? 'none' : `${Math.trunc(statusCode / 100)}xx`} ${outcome}`
const backendOf = ({ backend }: Line) => backend ?? ''
const only = (counts: Counts, backend: string) =>
  Object.fromEntries(Object.entries(counts).filter(([key]) => key.startsWith(`${backend} `)))
const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)

/** How a try ended for the gateway that ended like this for its backend, and that nobody else ended. */
function outcomeOf({ end, status = 0 }: Sight): string {
  return end === 'answered' && ![500, 503].includes(status) ? 'ok' : 'failed'
}

test('10,000 requests that end in every way: metrics, log lines, backends and clients agree to the request', async () => {
  const crowd = new Crowd(gateway.url, Number(process.env.CHAOS_SEED ?? 1))
  await crowd.rush(100)
  for (const id of witnesses.keys()) {
    await callJson('PATCH', `${gateway.admin}/backends/${id}`, { maxConnections: null })
  }
  await crowd.send(3000)
  for (const id of ['drained', 'removed']) await callJson('POST', `${gateway.admin}/backends/${id}/drain`)
  await crowd.send(5000)
  const before = await settled()
  await callJson('DELETE', `${gateway.admin}/backends/removed`)
  await crowd.send(10_000)
  await crowd.close()
  const page = await settled()
  const all = lines()

  // Metrics and log lines.
  const registered = all.filter(({ backend }) => backend !== 'removed')
  const requests = (of: Exposition) => counted(of, 'leastwise_requests_total', 'backend', 'code', 'outcome')
  assert.deepEqual(requests(page), logged(registered, resultOf))
  const departed = only(requests(before), 'removed')
  assert.deepEqual(departed, only(logged(all, resultOf), 'removed'))
  assert.ok(sum(Object.values(departed)) > 100)
  assert.deepEqual(
    counted(page, 'leastwise_errors_total', 'error'),
    logged(all, ({ error }) => error ?? undefined),
  )
  assert.deepEqual(
    counted(page, 'leastwise_request_duration_seconds_count', 'backend'),
    logged(
      registered.filter(({ responseTime }) => responseTime !== null),
      backendOf,
    ),
  )
  assert.deepEqual(
    counted(page, 'leastwise_request_body_bytes_total', 'backend'),
    logged(registered, backendOf, ({ bytesIn }) => bytesIn),
  )
  assert.deepEqual(
    counted(page, 'leastwise_response_body_bytes_total', 'backend'),
    logged(registered, backendOf, ({ bytesOut }) => bytesOut),
  )
  const waited = all.filter(({ queueTime }) => queueTime > 0)
  assert.equal(page.sum('leastwise_queue_wait_seconds_count'), waited.length)
  assert.equal(page.sum('leastwise_backend_in_flight'), 0)

  // All of it took place.
  const codes = new Set(Object.keys(requests(page)).map((key) => key.split(' ').slice(1).join(' ')))
  for (const result of [
    '1xx ok',
    '2xx ok',
    '4xx ok',
    '2xx failed',
    '5xx failed',
    '4xx refused',
    '5xx refused',
  ])
    assert.ok(codes.has(result), result)
  for (const result of ['2xx cancelled', 'none cancelled']) assert.ok(codes.has(result), result)
  for (const error of [
    'BAD_GATEWAY',
    'GATEWAY_TIMEOUT',
    'BODY_TOO_LARGE',
    'MALFORMED_REQUEST',
    'QUEUE_FULL',
    'QUEUE_TIMEOUT',
  ])
    assert.ok(page.sum('leastwise_errors_total', { error: `LEASTWISE_${error}` }) > 0, error)
  for (const what of ['retries', 'hedges', 'hedges_won', 'backend_ejections'])
    assert.ok(page.sum(`leastwise_${what}_total`) > 0, what)

  // Tries: those of the log, those of the metrics, and those that backends saw.
  const tries = (of: Exposition, backend: string, outcome?: string) =>
    of.sum('leastwise_backend_attempts_total', { backend, ...(outcome && { outcome }) })
  const pageOf = (backend: string) => (backend === 'removed' ? before : page)
  const names = [...witnesses.keys(), 'dead']
  assert.equal(sum(names.map((name) => tries(pageOf(name), name))), sum(all.map(({ attempts }) => attempts)))
  for (const outcome of ['ok', 'doubtful']) assert.equal(tries(page, 'dead', outcome), 0)

  // Each request by itself.
  const numbered = all.filter(({ path }) => path?.split('/').length === 3)
  const byId = new Map(numbered.map((line) => [(line.path as string).split('/')[2] as string, line]))
  assert.equal(byId.size, numbered.length, 'one line for each request')
  const certain: Counts = {}
  for (const [id, fate] of crowd.fates) {
    const line = byId.get(id)
    const sights = [...witnesses].flatMap(([name, { seen }]) =>
      (seen.get(id) ?? []).map((sight) => ({ name, ...sight })),
    )
    const what = `${id}: ${JSON.stringify({ fate, line, sights })}`
    assert.ok(line, what)
    assert.equal(line.aborted, fate.bytesOut === undefined, what)
    if (fate.status > 0) assert.equal(line.statusCode, fate.status, what)
    if (!line.aborted) assert.equal(line.bytesOut, fate.bytesOut, what)
    if (line.outcome === 'ok') {
      const sight = sights.find(({ name, end }) => name === line.backend && end === 'answered')
      assert.ok(sight, what)
      assert.deepEqual([sight.status, sight.bytesIn], [line.statusCode, line.bytesIn], what)
      assert.equal(sight.bytesIn, fate.bytesIn, what)
    }
    assert.ok(sights.length <= line.attempts, what)
    if (line.attempts !== 1 || line.backend === 'dead') continue
    assert.deepEqual(
      sights.map(({ name }) => name),
      [line.backend],
      what,
    )
    // The gateway gave it up, with its client or for its silence.
    if (line.outcome === 'cancelled') continue
    const key = `${line.backend} ${outcomeOf(sights[0] as Sight)}`
    certain[key] = (certain[key] ?? 0) + 1
  }
  for (const [name, { seen }] of witnesses) {
    const total = sum([...seen.values()].map((sights) => sights.length))
    const own = pageOf(name)
    // A try that somebody gave up may never have come.
    const missed = tries(own, name) - total
    assert.ok(missed >= 0 && missed <= tries(own, name, 'cancelled'), `${name}: ${missed}`)
    for (const outcome of ['ok', 'failed']) {
      assert.ok((certain[`${name} ${outcome}`] ?? 0) <= tries(own, name, outcome), `${name} ${outcome}`)
    }
  }
})

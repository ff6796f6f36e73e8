import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { deadUrl } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { ClientFleet } from '../support/client-fleet.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { type RecordedRequest, RecordingBackend } from '../support/recording-backend.js'

const backends = new Map<string, RecordingBackend>()
let gateway: GatewayProcess

before(async () => {
  for (const name of ['a', 'b', 'c', 'drained', 'removed'])
    backends.set(name, await new RecordingBackend().listen())
  const urls = [...backends].map(([id, { url }]) => `${url};id=${id}`)
  gateway = await startGateway({
    BACKENDS: [...urls, `${await deadUrl()};id=dead`].join(),
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
  for (const one of backends.values()) await one.close()
})

const MOST_RUSHES = 20

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
function outcomeOf({ end, status = 0 }: RecordedRequest): string {
  return end === 'answered' && ![500, 503].includes(status) ? 'ok' : 'failed'
}

/** Sends so many requests that end in every way; CHAOS_SEED chooses others. */
export function agreement(total: number): void {
  test(`${total} requests that end in every way: metrics, log lines, backends and clients agree to the request`, () =>
    compare(total))
}

/** Sends rushes: whether a request of one waits in the queue for too long depends on how quick the machine is. */
async function rushUntilOneWaitsTooLong(fleet: ClientFleet): Promise<void> {
  for (let rushes = 0; rushes < MOST_RUSHES; rushes++) {
    await fleet.rush(100)
    const page = await settled()
    if (page.sum('leastwise_errors_total', { error: 'LEASTWISE_QUEUE_TIMEOUT' }) > 0) return
  }
}

async function compare(total: number): Promise<void> {
  const fleet = new ClientFleet(gateway.url, Number(process.env.CHAOS_SEED ?? 1))
  await rushUntilOneWaitsTooLong(fleet)
  for (const id of backends.keys()) {
    await callJson('PATCH', `${gateway.admin}/backends/${id}`, { maxConnections: null })
  }
  await fleet.send(0.3 * total)
  for (const id of ['drained', 'removed']) await callJson('POST', `${gateway.admin}/backends/${id}/drain`)
  await fleet.send(0.5 * total)
  const before = await settled()
  await callJson('DELETE', `${gateway.admin}/backends/removed`)
  await fleet.send(total)
  await fleet.close()
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
  const names = [...backends.keys(), 'dead']
  assert.equal(sum(names.map((name) => tries(pageOf(name), name))), sum(all.map(({ attempts }) => attempts)))
  for (const outcome of ['ok', 'doubtful']) assert.equal(tries(page, 'dead', outcome), 0)

  // Each request by itself.
  const numbered = all.filter(({ path }) => path?.split('/').length === 3)
  const byId = new Map(numbered.map((line) => [(line.path as string).split('/')[2] as string, line]))
  assert.equal(byId.size, numbered.length, 'one line for each request')
  const certain: Counts = {}
  for (const [id, result] of fleet.results) {
    const line = byId.get(id)
    const records = [...backends].flatMap(([name, { seen }]) =>
      (seen.get(id) ?? []).map((record) => ({ name, ...record })),
    )
    const what = `${id}: ${JSON.stringify({ result, line, records })}`
    assert.ok(line, what)
    assert.equal(line.aborted, result.bytesOut === undefined, what)
    if (result.status > 0) assert.equal(line.statusCode, result.status, what)
    if (!line.aborted) assert.equal(line.bytesOut, result.bytesOut, what)
    if (line.outcome === 'ok') {
      const record = records.find(({ name, end }) => name === line.backend && end === 'answered')
      assert.ok(record, what)
      assert.deepEqual([record.status, record.bytesIn], [line.statusCode, line.bytesIn], what)
      assert.equal(record.bytesIn, result.bytesIn, what)
    }
    assert.ok(records.length <= line.attempts, what)
    if (line.attempts !== 1 || line.backend === 'dead') continue
    assert.deepEqual(
      records.map(({ name }) => name),
      [line.backend],
      what,
    )
    // The gateway gave it up, with its client or for its silence.
    if (line.outcome === 'cancelled') continue
    const key = `${line.backend} ${outcomeOf(records[0] as RecordedRequest)}`
    certain[key] = (certain[key] ?? 0) + 1
  }
  for (const [name, { seen }] of backends) {
    const total = sum([...seen.values()].map((records) => records.length))
    const own = pageOf(name)
    // A try that somebody gave up may never have come.
    const missed = tries(own, name) - total
    assert.ok(missed >= 0 && missed <= tries(own, name, 'cancelled'), `${name}: ${missed}`)
    for (const outcome of ['ok', 'failed']) {
      assert.ok((certain[`${name} ${outcome}`] ?? 0) <= tries(own, name, outcome), `${name} ${outcome}`)
    }
  }
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { changing, deadUrl, status } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { type GatewayProcess, root, startGateway } from '../support/process.js'
import { parseQuery } from '../support/promql.js'
import { noSharedPort } from '../support/shared-port.js'

const read = (file: string) => readFileSync(join(root, 'docs/monitoring', file), 'utf8')

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; description: string }
}
const { groups } = parse(read('alerts.yml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)

interface Panel {
  type: string
  title: string
  targets?: { expr: string; legendFormat: string }[]
}
const dashboard = JSON.parse(read('grafana-dashboard.json')) as {
  panels: Panel[]
  templating: { list: { name: string; type: string; query: string | { query: string } }[] }
}

/** A page after traffic of which something failed. */
let page: Exposition
let gateway: GatewayProcess
const backend = await changing(status(200))

before(async () => {
  const threads: Record<string, string> = noSharedPort ? {} : { WORKERS: '2' }
  gateway = await startGateway({
    ...threads,
    BACKENDS: `${backend.url},${await deadUrl()}`,
    MAX_CONNECTIONS: '9',
    // The lines of a store are there while it is away, too.
    STORE: (await deadUrl()).replace('http:', 'redis:'),
  })
  for (const code of [200, 404, 500]) {
    backend.become(status(code))
    for (let i = 0; i < 20; i++) await call(gateway.url, { method: 'POST', body: 'x' })
  }
  do page = parseExposition((await call(`${gateway.admin}/metrics`)).text)
  while (page.sum('leastwise_requests_total') < 60)
})
after(async () => {
  await gateway.stop()
  await backend.close()
})

/** The labels that Prometheus itself adds to each line. */
const ADDED = ['job', 'instance']

/** What lines of a metric have of a label: nothing, where the metric has no such label. */
function valuesOf(metric: string, label: string): string[] {
  const own = page.samples.filter(({ name }) => name === metric)
  assert.ok(own.length > 0, `there is no ${metric}`)
  return [...new Set(own.map(({ labels }) => labels[label]).filter((value) => value !== undefined))]
}

/** Whether a query asks for what is there, by names and labels that it has. */
function check(query: string): void {
  const { selectors, labels } = parseQuery(query)
  assert.ok(selectors.length > 0, query)
  const known = new Set(ADDED)
  for (const { metric, matchers } of selectors) {
    // Prometheus' own.
    if (metric === 'up') continue
    // Other systems do not tell.
    if (/^process_\w+_fds$/.test(metric) && process.platform !== 'linux') continue
    // Lines of this one are there once something was collected.
    if (metric === 'nodejs_gc_duration_seconds_sum') {
      assert.equal(page.types.get('nodejs_gc_duration_seconds'), 'histogram')
      known.add('kind')
      continue
    }
    // Only several threads have these.
    if (noSharedPort && metric.startsWith('leastwise_worker_')) continue
    for (const { name, labels: own } of page.samples) {
      if (name === metric) for (const label of Object.keys(own)) known.add(label)
    }
    valuesOf(metric, 'pool')
    for (const { label, operator, value } of matchers) {
      if (ADDED.includes(label)) continue
      const values = valuesOf(metric, label)
      assert.ok(values.length > 0, `${metric} has no label ${label}: ${query}`)
      // A variable, or one of the values that there may be.
      if (value.startsWith('$')) continue
      const fits = operator === '=~' ? new RegExp(`^(${value})$`) : { test: (one: string) => one === value }
      assert.ok(
        values.some((one) => fits.test(one)),
        `${metric} has no ${label} of ${value}: ${query}`,
      )
    }
  }
  for (const label of labels) assert.ok(known.has(label), `no label ${label}: ${query}`)
}

/** Without what Grafana puts in. */
const filled = (query: string) => query.replaceAll('$__rate_interval', '5m')

test('each alert asks for what is there, and says what to do', () => {
  assert.ok(rules.length >= 10)
  for (const { alert, expr, labels, annotations } of rules) {
    check(expr)
    assert.match(alert, /^Leastwise[A-Z]/)
    assert.match(labels.severity, /^(critical|warning)$/)
    assert.ok(annotations.summary.length > 10 && annotations.description.length > 50, alert)
    for (const [, label] of JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)) {
      const known = [...ADDED, ...parseQuery(expr).selectors.flatMap(({ metric }) => labelsOf(metric))]
      assert.ok(known.includes(label as string), `${alert} names ${label}`)
    }
  }
})

function labelsOf(metric: string): string[] {
  if (noSharedPort && metric.startsWith('leastwise_worker_')) return ['pool', 'worker']
  return page.samples.filter(({ name }) => name === metric).flatMap(({ labels }) => Object.keys(labels))
}

test('each panel of the dashboard asks for what is there', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')
  assert.ok(panels.length > 15)
  for (const { title, targets = [] } of panels) {
    assert.ok(targets.length > 0, title)
    for (const { expr, legendFormat } of targets) {
      check(filled(expr))
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        const known = [
          ...ADDED,
          'kind',
          ...parseQuery(filled(expr)).selectors.flatMap(({ metric }) => labelsOf(metric)),
        ]
        assert.ok(known.includes(label as string), `${title} names ${label}`)
      }
    }
  }
})

test('its variables ask for labels that are there, and each that a panel uses is one', () => {
  const names = dashboard.templating.list.map(({ name }) => name)
  for (const { name, type, query } of dashboard.templating.list) {
    if (type === 'datasource') continue
    const [, selector = '', label = ''] =
      /^label_values\((.*), (\w+)\)$/.exec((query as { query: string }).query) ?? []
    check(selector)
    assert.equal(name, label)
    const metric = parseQuery(selector).selectors[0]?.metric as string
    assert.ok(ADDED.includes(label) || valuesOf(metric, label).length > 0, name)
  }
  for (const [, name] of JSON.stringify(dashboard).matchAll(/\$\{?(\w+)/g)) {
    assert.ok(name === '__rate_interval' || name === '__all' || names.includes(name as string), name)
  }
})

test('a query that is none, or asks for what is not there, is found', () => {
  for (const wrong of [
    'sum(',
    'rate(leastwise_request_total[5m])',
    'leastwise_backend_health{health="sick"}',
    'leastwise_backend_health{status="healthy"}',
    'sum by (server) (leastwise_backend_in_flight)',
  ]) {
    assert.throws(() => check(wrong), wrong)
  }
})

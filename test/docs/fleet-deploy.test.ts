import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { parseConfig } from '../../src/config/environment.js'
import { settingNames, variable } from '../../src/config/settings.js'
import { answering } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call, callJson } from '../support/client.js'
import { freePort, type GatewayProcess, root, startGateway } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const folder = join(root, 'docs/deploy')
const file = (name: string) => readFileSync(join(folder, name), 'utf8')
const compose = parse(file('fleet/compose.yaml')).services

/** The gateway's variables in the Compose file, with those of the shell filled in. */
function composeEnvironment(): Record<string, string> {
  const filled = (value: string) =>
    value.replace('${STORE_PASSWORD}', 'store-secret').replace('${ADMIN_TOKEN}', 'token')
  return Object.fromEntries(
    Object.entries<string>(compose.gateway.environment).map(([name, value]) => [name, filled(value)]),
  )
}

/** Has the HAProxy of the Compose file pass connections on to gateways on this machine. */
async function startEdge(t: TestContext, gateways: GatewayProcess[]): Promise<string> {
  const here = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(here, { recursive: true }))
  const port = await freePort()
  const written = file('fleet/haproxy.cfg')
  const template = '    server-template gateway 3 gateway:3000'
  const rules = 'check port 3001 inter 1s fall 2 resolvers docker init-addr none'
  for (const part of [template, rules, 'bind :8080']) assert.ok(written.includes(part), part)
  const servers = gateways.map(({ url, admin }, i) => {
    return `    server gateway-${i} ${new URL(url).host} check port ${new URL(admin).port} inter 100ms fall 2`
  })
  const configuration = written
    .replace(template, servers.join('\n'))
    .replace(rules, '')
    .replace('    default-server \n', '')
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
  writeFileSync(join(here, 'haproxy.cfg'), configuration)
  const child = spawn('haproxy', ['-q', '-f', join(here, 'haproxy.cfg')], { stdio: 'inherit' })
  t.after(() => child.kill('SIGKILL'))
  return `http://127.0.0.1:${port}`
}

test('the settings of the Compose file are settings, and its parts fit together', () => {
  const env = composeEnvironment()
  const known = new Set(settingNames.map(variable))
  for (const name of Object.keys(env)) assert.ok(known.has(name), `${name} is a setting`)
  const settings = parseConfig(env)
  const { store, gateway, edge } = compose
  assert.equal(new URL(settings.store).hostname, 'store')
  assert.match(store.command, /--requirepass \$\{STORE_PASSWORD\}/)
  assert.match(store.command, /--maxmemory-policy volatile-lfu/)
  const grace = Number.parseInt(gateway.stop_grace_period, 10) * 1000
  assert.ok(grace > settings.shutdownDelay + settings.shutdownTimeout, 'nobody is killed who has time left')
  const haproxy = file('fleet/haproxy.cfg')
  assert.match(
    haproxy,
    new RegExp(`server-template gateway ${gateway.deploy.replicas} gateway:${settings.port}`),
  )
  assert.match(haproxy, new RegExp(`check port ${settings.adminPort} `))
  const [published] = edge.ports
  assert.match(haproxy, new RegExp(`bind :${published.split(':')[1]}$`, 'm'))
  assert.match(file('Dockerfile'), /^ARG PACKAGES=/m)
  assert.deepEqual(gateway.build.args, { PACKAGES: 'ioredis@6' })
})

test('gateways behind the HAProxy of the Compose file have one view, and one may go', {
  skip: withoutRedis,
}, async (t) => {
  if (spawnSync('haproxy', ['-v']).error) return t.skip('haproxy is not installed')
  const store = await RedisServer.start(t, '--requirepass', 'store-secret')
  const backend = await answering()
  t.after(() => backend.close())
  const gateways = await Promise.all(
    Array.from({ length: 3 }, () =>
      startGateway({
        ...composeEnvironment(),
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        STORE: `redis://:store-secret@127.0.0.1:${store.port}`,
        BACKENDS: backend.url,
        HEALTH_PATH: '',
        SHUTDOWN_DELAY: '0',
      }),
    ),
  )
  for (const gateway of gateways) t.after(() => gateway.stop('SIGKILL'))
  const edge = await startEdge(t, gateways)
  await until(
    async () => (await call(edge).catch(() => undefined))?.status,
    (status) => status === 200,
  )
  const headers = { authorization: 'Bearer token' }
  const [first, second] = gateways as [GatewayProcess, GatewayProcess]
  const seen = () => callJson('GET', `${second.admin}/gateways`, undefined, headers)
  await until(
    async () => (await seen()).json.gateways.length,
    (length) => length === 3,
  )
  await first.stop()
  for (let i = 0; i < 6; i++) assert.equal((await call(edge)).status, 200)
  assert.equal((await seen()).json.gateways.length, 2)
})

interface Manifest {
  kind: string
  metadata: { name: string }
  // biome-ignore lint/suspicious/noExplicitAny: what it is, the test says
  [field: string]: any
}

const documents = (name: string) =>
  parseAllDocuments(file(name)).map((document) => document.toJS() as Manifest)

test('the Kubernetes manifests of the store and of the gateways fit together', () => {
  const all = documents('fleet/kubernetes.yaml')
  const one = (kind: string) => all.find((manifest) => manifest.kind === kind) as Manifest
  assert.deepEqual(all.map(({ kind }) => kind).sort(), ['Secret', 'Service', 'StatefulSet'])
  const { spec } = one('StatefulSet')
  assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels)
  assert.deepEqual(one('Service').spec.selector, spec.template.metadata.labels)
  const [valkey] = spec.template.spec.containers
  assert.ok(valkey.args.includes('volatile-lfu'))
  const { stringData } = one('Secret')
  const url = new URL(stringData.url)
  assert.deepEqual([url.hostname, url.password], [one('Service').metadata.name, stringData.password])

  const [gateways] = documents('fleet/gateways.yaml') as [Manifest]
  const deployment = documents('kubernetes.yaml').find(({ kind }) => kind === 'Deployment') as Manifest
  assert.equal(gateways.metadata.name, deployment.metadata.name)
  const [container] = gateways.spec.template.spec.containers
  assert.equal(container.name, deployment.spec.template.spec.containers[0].name)
  const [storeUrl, id] = container.env
  assert.deepEqual(storeUrl, {
    name: 'STORE',
    valueFrom: { secretKeyRef: { name: one('Secret').metadata.name, key: 'url' } },
  })
  assert.equal(id.name, 'GATEWAY_ID')
})

test('kubectl puts the manifests together', (t) => {
  const made = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
  if (made.error) return t.skip('kubectl is not installed')
  assert.equal(made.status, 0, made.stderr)
  const all = parseAllDocuments(made.stdout).map((document) => document.toJS() as Manifest)
  const { spec } = all.find(({ kind }) => kind === 'Deployment') as Manifest
  assert.equal(spec.replicas, 3)
  const names = spec.template.spec.containers[0].env.map(({ name }: { name: string }) => name)
  for (const name of ['STORE', 'GATEWAY_ID', 'BACKENDS', 'ADMIN_TOKEN']) assert.ok(names.includes(name), name)
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { parse as parseEnv } from 'dotenv'
import { parse, parseAllDocuments } from 'yaml'
import { Balancer } from '../../src/balancer/index.js'
import { parseConfig } from '../../src/config/environment.js'
import { settingNames, variable } from '../../src/config/settings.js'
import { answering, type TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { readDocument } from '../support/markdown.js'
import { type GatewayProcess, root, start, startGateway } from '../support/process.js'

const folder = join(root, 'docs/deploy')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const file = (name: string) => readFileSync(join(folder, name), 'utf8')

/** Starts a gateway with these variables, but for addresses and files of another machine, and the time before it stops. */
async function gatewayWith(
  t: TestContext,
  env: Record<string, string>,
): Promise<{ gateway: GatewayProcess; backend: TestBackend }> {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway({
    ...env,
    PORT: '0',
    ADMIN_PORT: '0',
    BACKENDS: backend.url,
    ...(env.HOST && { HOST: '127.0.0.1' }),
    ...(env.STATE_FILE && { STATE_FILE: 'state.json' }),
    ...(env.SHUTDOWN_DELAY && { SHUTDOWN_DELAY: '0' }),
  })
  t.after(() => gateway.stop('SIGKILL'))
  return { gateway, backend }
}

/** Refuses what is no setting; returns the settings that the variables make. */
function settingsOf(env: Record<string, string>) {
  const known = new Set(settingNames.map(variable))
  for (const name of Object.keys(env)) assert.ok(known.has(name), `${name} is a setting`)
  return parseConfig(env)
}

/** The directives of a unit; those that are given twice in order. */
function directives(unit: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [, name = '', value = ''] of unit.matchAll(/^([A-Za-z]+)=(.*)$/gm)) {
    found.set(name, [...(found.get(name) ?? []), value])
  }
  return found
}

interface Manifest {
  kind: string
  metadata: { name: string }
  // biome-ignore lint/suspicious/noExplicitAny: what it is, the test says
  [field: string]: any
}

test('the backends of the settings for Unix sockets are those that the comment tells of', () => {
  const { backends, healthPath } = settingsOf(parseEnv(file('unix-sockets.env')))
  const { registry } = new Balancer({ backends })
  assert.deepEqual(
    registry.list().map(({ id, url, backup }) => [id, url, backup]),
    [
      ['one', 'unix:/run/shop/1.sock', false],
      ['two', 'unix:/run/shop/2.sock', false],
      ['10.0.0.2-8080', 'http://10.0.0.2:8080', true],
    ],
  )
  assert.equal(healthPath, '/healthz')
})

describe('files to deploy it', { concurrency: true }, () => {
  test('the variables of the unit are settings, and a gateway serves with them', async (t) => {
    const env = parseEnv(file('leastwise.env'))
    const settings = settingsOf(env)
    const unit = directives(file('leastwise.service'))
    const [stop] = unit.get('TimeoutStopSec') as [string]
    assert.ok(
      Number(stop) * 1000 > settings.shutdownDelay + settings.shutdownTimeout,
      'systemd waits for longer than the gateway',
    )
    const [state] = unit.get('StateDirectory') as [string]
    assert.ok(settings.stateFile.startsWith(`/var/lib/${state}/`), 'the state file is where it may write')
    const { gateway, backend } = await gatewayWith(t, env)
    assert.equal((await call(gateway.url)).status, 200)
    assert.equal(backend.total >= 1, true)
    assert.equal((await call(`${gateway.admin}/readyz`)).status, 200)
    assert.equal(await gateway.stop(), 0)
  })

  test('systemd takes the unit', (t) => {
    if (spawnSync('systemd-analyze', ['--version']).error) return t.skip('systemd is not installed')
    const here = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(here, { recursive: true }))
    const unit = join(here, 'leastwise.service')
    // It looks for the program, which is elsewhere on each machine.
    writeFileSync(unit, file('leastwise.service').replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
    const verified = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
    assert.deepEqual([verified.status, verified.stderr], [0, ''])
    // From 0, all shut, to 100, all open.
    const exposed = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit])
    if (!/unrecognized option/.test(String(exposed.stderr)))
      assert.equal(exposed.status, 0, String(exposed.stdout))
  })

  /** The instructions of a Dockerfile, each with what follows it, in one line. */
  function instructions(text: string): [name: string, rest: string][] {
    return text
      .replace(/^ *#.*\n/gm, '')
      .replace(/\\\n/g, ' ')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => /^(\S+) +(.*)$/.exec(line)?.slice(1) as [string, string])
  }

  // There need not be a Docker here: what the build does is done in a folder, but for the installing of dependencies,
  // which are those of this tree.
  test('what the Dockerfile builds serves, is found healthy, and stops when it is told', async (t) => {
    const steps = instructions(file('Dockerfile'))
    const all = (name: string) => steps.filter(([step]) => step === name).map(([, rest]) => rest)
    const [, oldest] = /^>=(\d+)/.exec(manifest.engines.node) as RegExpExecArray
    for (const image of all('FROM')) {
      const major = /^node:(\d+)-slim( AS build)?$/.exec(image)?.[1]
      assert.ok(Number(major) >= Number(oldest), image)
    }
    assert.deepEqual(all('COPY'), ['. .', '--from=build /app /app'])
    assert.deepEqual(all('USER'), ['node'])
    const [install = '', link] = all('RUN')
    assert.equal(link, `ln -s /app/${manifest.bin.leastwise} /usr/local/bin/leastwise`)
    assert.ok(install.includes(`chmod +x ${manifest.bin.leastwise}`), 'the command of the package can be run')
    const ignored = file('Dockerfile.dockerignore').trim().split('\n')
    for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'src'])
      assert.ok(!ignored.includes(name))
    assert.ok(ignored.includes('.env') && ignored.includes('node_modules'))

    const build = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(build, { recursive: true }))
    // Compiled already: `prepack` would compile under the feet of other tests.
    const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', build], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(packed.status, 0, packed.stderr)
    const [archive = ''] = readdirSync(build)
    assert.match(archive, /^leastwise-.*\.tgz$/)
    assert.equal(spawnSync('tar', ['-xzf', archive], { cwd: build }).status, 0)
    const app = join(build, 'package')
    symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'))

    const backend = await answering()
    t.after(() => backend.close())
    const env = Object.fromEntries(all('ENV').map((pair) => pair.split('=', 2)))
    const { NODE_ENV, ...ours } = env
    settingsOf(ours)
    assert.equal(NODE_ENV, 'production')
    const command = JSON.parse(all('CMD')[0] as string)
    const check = JSON.parse((all('HEALTHCHECK')[0] as string).replace(/^.* CMD /, ''))
    assert.deepEqual([command[0], check[0]], ['node', 'node'])
    const gateway = await startGateway(
      { ...env, HOST: '127.0.0.1', BACKENDS: backend.url },
      command.slice(1),
      app,
    )
    t.after(() => gateway.stop('SIGKILL'))
    assert.equal((await call(gateway.url)).status, 200)
    const healthy = () =>
      start(check.slice(1), { env: { ADMIN_PORT: new URL(gateway.admin).port } }).ended.then(
        ({ code }) => code,
      )
    assert.equal(await healthy(), 0)
    assert.equal(await gateway.stop(), 0)
    assert.equal(await healthy(), 1)
  })

  test('what the Kubernetes manifests say holds together, and their probes are answered', async (t) => {
    const manifests = parseAllDocuments(file('kubernetes.yaml')).map((document) => {
      assert.deepEqual(document.errors, [])
      return document.toJS() as Manifest
    })
    const one = (kind: string) => manifests.find((manifest) => manifest.kind === kind) as Manifest
    assert.deepEqual(manifests.map(({ kind }) => kind).sort(), [
      'Deployment',
      'PodDisruptionBudget',
      'Secret',
      'Service',
    ])
    const { spec } = one('Deployment')
    const { labels } = spec.template.metadata
    assert.deepEqual(spec.selector.matchLabels, labels)
    assert.deepEqual(one('Service').spec.selector, labels)
    assert.deepEqual(one('PodDisruptionBudget').spec.selector.matchLabels, labels)
    assert.ok(one('PodDisruptionBudget').spec.minAvailable < spec.replicas, 'a node can be emptied')

    const pod = spec.template.spec
    const [container] = pod.containers
    const secrets = one('Secret')
    const env: Record<string, string> = {}
    for (const { name, value, valueFrom } of container.env) {
      const key = valueFrom?.secretKeyRef
      if (key) assert.equal(key.name, secrets.metadata.name)
      env[name] = key ? secrets.stringData[key.key] : value
      assert.equal(typeof env[name], 'string', name)
    }
    const settings = settingsOf(env)
    const ports = new Map(
      // biome-ignore lint/suspicious/noExplicitAny: as above
      container.ports.map(({ name, containerPort }: any) => [name, containerPort]),
    )
    assert.deepEqual([ports.get('http'), ports.get('admin')], [settings.port, settings.adminPort])
    for (const { targetPort } of one('Service').spec.ports)
      assert.equal(targetPort, 'http', 'and not the admin API')
    const grace = pod.terminationGracePeriodSeconds * 1000
    assert.ok(settings.shutdownDelay > 0, 'connections that arrive late are accepted')
    assert.ok(grace > settings.shutdownDelay + settings.shutdownTimeout, 'nobody is killed who has time left')
    assert.ok(settings.maxHeapBytes < Number.parseInt(container.resources.limits.memory, 10) * 2 ** 20)
    assert.ok(container.securityContext.readOnlyRootFilesystem && settings.stateFile === '')

    const { gateway } = await gatewayWith(t, env)
    for (const probe of [container.readinessProbe, container.livenessProbe]) {
      assert.equal(probe.httpGet.port, 'admin')
      // A kubelet has no token, and reaches the pod by its address.
      const port = new URL(gateway.admin).port
      const { status } = await call(`http://127.0.0.1:${port}${probe.httpGet.path}`, {
        headers: { host: 'pod' },
      })
      assert.equal(status, 200)
    }
    assert.equal((await call(`${gateway.admin}/backends`)).status, 401)
    assert.equal(await gateway.stop(), 0)
  })

  test('Prometheus finds the metrics where its configuration looks', async (t) => {
    const { rule_files, scrape_configs } = parse(file('prometheus.yml'))
    const [{ metrics_path, authorization, static_configs }] = scrape_configs
    const [{ targets }] = static_configs
    for (const target of targets) assert.match(target, /:3001$/, 'the admin API')
    const guide = readDocument('docs/guides/prometheus.md')
    for (const path of [...rule_files, authorization.credentials_file])
      assert.ok(guide.includes(path), `${path} is made by the guide`)

    const [, host = ''] = /echo (ADMIN_HOST=\S+) >>/.exec(guide) as RegExpExecArray
    assert.ok(
      targets.includes(`${parseEnv(host).ADMIN_HOST}:3001`),
      'the gateway listens where Prometheus asks',
    )
    const { gateway } = await gatewayWith(t, { ADMIN_HOST: '0.0.0.0', ADMIN_TOKEN: 'token' })
    const refused = await call(gateway.admin + metrics_path)
    assert.equal(refused.status, 401)
    const scraped = await call(gateway.admin + metrics_path, {
      headers: { authorization: `${authorization.type} token` },
    })
    assert.equal(scraped.status, 200)
    assert.match(scraped.text, /^leastwise_/m)
  })

  test('Prometheus takes its configuration and the alerts', (t) => {
    if (spawnSync('promtool', ['--version']).error) return t.skip('promtool is not installed')
    const here = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(here, { recursive: true }))
    cpSync(join(root, 'docs/monitoring/alerts.yml'), join(here, 'leastwise-alerts.yml'))
    writeFileSync(join(here, 'leastwise-token'), 'token')
    const configuration = join(here, 'prometheus.yml')
    writeFileSync(configuration, file('prometheus.yml').replaceAll('/etc/prometheus', here))
    const checked = spawnSync('promtool', ['check', 'config', configuration], { encoding: 'utf8' })
    assert.equal(checked.status, 0, checked.stdout + checked.stderr)
  })
})

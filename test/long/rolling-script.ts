import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { callJson, load } from '../support/client.js'
import { type GatewayProcess, root, startGateway } from '../support/process.js'
import { shellIn } from '../support/shell.js'

/** A command that deploys: it restarts the backend. */
const RESTART = `sh -c 'curl "$DEPLOY/$BACKEND_ID"'`
const script = join(root, 'docs/deploy/roll.sh')

function shellOf(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return shellIn(folder)
}

/** A backend that can be restarted on its port, and then fails its first health check. */
class Restartable extends TestBackend {
  restarts = 0
  /** Requests that arrived after a restart and before a health check had passed. */
  tooEarly = 0
  #failingChecks = 0

  constructor() {
    super((request, response) => {
      if (request.url === '/healthz') {
        response.writeHead(this.#failingChecks-- > 0 ? 503 : 200).end()
        return
      }
      if (this.#failingChecks > 0) this.tooEarly++
      request.resume().once('end', () => response.end('ok'))
    })
  }

  async restart(): Promise<void> {
    const { port } = this
    await this.close()
    this.restarts++
    this.#failingChecks = 1
    this.server.listen(port, '127.0.0.1')
    await once(this.server, 'listening')
  }
}

/** Two backends with ids `a` and `b`, and what a deployment command calls to restart one: `$DEPLOY/a`. */
async function setUp(t: TestContext) {
  const backends = { a: await new Restartable().listen(), b: await new Restartable().listen() }
  const deploys = createServer((request, response) => {
    const backend = backends[request.url?.slice(1) as keyof typeof backends]
    backend.restart().then(() => response.end())
  }).listen(0, '127.0.0.1')
  await once(deploys, 'listening')
  t.after(() => {
    deploys.close()
    for (const backend of Object.values(backends)) backend.close()
  })
  const gateway = async (interval: string) => {
    const started = await startGateway({
      BACKENDS: `${backends.a.url};id=a,${backends.b.url};id=b`,
      HEALTH_PATH: '/healthz',
      HEALTH_INTERVAL: interval,
      RETRIES: '0',
      ADMIN_TOKEN: 'secret',
    })
    t.after(() => started.stop('SIGKILL'))
    return started
  }
  const shell = shellOf(t)
  const roll = (words: string, gateways: GatewayProcess[], env: Record<string, string> = {}) =>
    shell(`sh '${script}' ${words}`, {
      LEASTWISE_URL: gateways.map(({ admin }) => admin).join(' '),
      ADMIN_TOKEN: 'secret',
      DEPLOY: `http://127.0.0.1:${(deploys.address() as AddressInfo).port}`,
      ACTIVATE_TIMEOUT: '20000',
      ...env,
    })
  return { ...backends, gateway, roll }
}

const authorization = { authorization: 'Bearer secret' }

async function backendsAt({ admin }: GatewayProcess) {
  return (await callJson('GET', `${admin}/backends`, undefined, authorization)).json.backends
}

async function statesAt(gateway: GatewayProcess): Promise<string[]> {
  return (await backendsAt(gateway)).map(({ state }: { state: string }) => state)
}

describe('the script for a rolling deployment', { concurrency: true }, () => {
  test('restarts every backend of two gateways under load, and no request fails', async (t) => {
    const { a, b, gateway, roll } = await setUp(t)
    const gateways = await Promise.all([gateway('50'), gateway('50')])
    const stop = new AbortController()
    const running = gateways.flatMap(({ url }) =>
      (['GET', 'POST'] as const).map((method) => load(url, { concurrency: 4, method, stop: stop.signal })),
    )
    const { code, output } = await roll(`a b -- ${RESTART}`, gateways)
    stop.abort()
    assert.equal(code, 0, output)
    for (const statuses of await Promise.all(running)) assert.deepEqual([...statuses.keys()], [200])
    assert.deepEqual([a.restarts, b.restarts], [1, 1])
    assert.deepEqual([a.tooEarly, b.tooEarly], [0, 0], 'no request before a check had passed')
    for (const one of gateways) assert.deepEqual(await statesAt(one), ['active', 'active'])
  })

  test('stops where the deployment fails or the backend does not become healthy, and leaves it drained', async (t) => {
    const { a, b, gateway, roll } = await setUp(t)
    const failing = await gateway('20000')
    const failed = await roll('a b -- false', [failing])
    assert.equal(failed.code, 1)
    assert.match(failed.output, /^roll\.sh: stopped at a: the deployment failed, and it stays drained$/m)
    assert.deepEqual(await statesAt(failing), ['draining', 'active'])

    // Without LEASTWISE_URL the command finds the gateway by itself.
    const last = await roll('b -- true', [], { ADMIN_PORT: new URL(failing.admin).port })
    assert.equal(last.code, 1)
    assert.match(last.output, /LEASTWISE_LAST_BACKEND: b is the last usable backend/)
    assert.deepEqual(await statesAt(failing), ['draining', 'active'])

    // Its next check is further away than the script waits; the last one passed, but before the deployment.
    while (!(await backendsAt(failing))[0].lastCheck);
    const unhealthy = await roll(`a b -- ${RESTART}`, [failing], { ACTIVATE_TIMEOUT: '0' })
    assert.equal(unhealthy.code, 1)
    assert.match(unhealthy.output, /LEASTWISE_NOT_HEALTHY: a is not activated: .* 0 ms \(.*: status 200\)/)
    assert.match(unhealthy.output, /^roll\.sh: stopped at a: it did not pass its health check/m)
    assert.deepEqual([a.restarts, b.restarts], [1, 0])
    assert.deepEqual(await statesAt(failing), ['draining', 'active'])
  })

  for (const words of ['', 'a', 'a b --', '-- true', '-x a -- true']) {
    test(`says how it is used when it is given "${words}"`, async (t) => {
      const { code, output } = await shellOf(t)(`sh '${script}' ${words}`, {})
      assert.equal(code, 2)
      assert.match(output, /^usage: roll\.sh ID\.\.\. -- COMMAND/)
    })
  }
})

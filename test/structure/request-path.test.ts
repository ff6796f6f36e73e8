import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway } from '../../src/gateway/gateway.js'
import { TestBackend } from '../support/backend.js'
import { root } from '../support/process.js'

/** Files from a client's socket to the choice of a backend and back that somebody has to read. */
const MOST_STATIONS = 20

const document = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')

/** The files that a section of the document lists, a numbered item each. */
function stationsOf(heading: string): string[] {
  const section = document.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, file]) => file as string)
}

test('the way of a request is told in a page, and every file that it names is entered by a request', async (t) => {
  const stations = stationsOf('One request')
  const choice = stationsOf('One choice')
  for (const file of [...stations, ...choice]) assert.ok(existsSync(join(root, file)), file)
  assert.ok(stations.length > 10 && stations.length <= MOST_STATIONS, `${stations.length} stations`)
  assert.ok(choice.length > 0 && choice.length <= 3, `${choice.length} files for a choice`)

  const backend = await new TestBackend((_request, response) => response.end('ok')).listen()
  t.after(() => backend.close())
  const settings = parseConfig({ BACKENDS: backend.url, PORT: '0', ADMIN_PORT: 'off' })
  const gateway = await createGateway(settings, pino({ level: 'info' }, { write() {} }))
  t.after(() => gateway.close(1000))
  await gateway.listen()
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const { port } = new URL(gateway.origins[0] as string)
  const request = () =>
    new Promise<void>((resolve, reject) => {
      get({ port, host: '127.0.0.1', agent }, (response) => response.resume().once('end', resolve)).once(
        'error',
        reject,
      )
    })

  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await request()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  session.disconnect()
  const entered = new Set<string>()
  for (const { url, functions } of result) {
    const file = url.split('/dist/')[1]?.replace(/\.js$/, '.ts')
    const isCalled = functions.some(
      ({ functionName, ranges }) => functionName !== '' && (ranges[0]?.count ?? 0) > 0,
    )
    if (file && isCalled) entered.add(file)
  }
  assert.deepEqual(
    [...stations, ...choice].filter((file) => !entered.has(file)),
    [],
  )
})

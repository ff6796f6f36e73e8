import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, changing, deadUrl, status } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { healthLine, startGateway } from '../support/process.js'

const CHECKS = { HEALTH_PATH: '/', HEALTH_INTERVAL: '50', HEALTH_RISE: '1', HEALTH_FALL: '1' }

test('a backup has the requests while every other backend is out, and only then', async (t) => {
  const [main, backup] = [await changing(status(200)), await answering()]
  t.after(() => Promise.all([main.close(), backup.close()]))
  const gateway = await startGateway({
    ...CHECKS,
    BACKENDS: `${main.url};id=main,${backup.url};id=backup;backup=true`,
  })
  t.after(() => gateway.stop('SIGKILL'))
  const health = (backend: string, health: string, from = 0) => healthLine(gateway, backend, health, from)
  const who = async () => {
    await call(gateway.url)
    const { json } = await callJson('GET', `${gateway.admin}/decisions?limit=1`)
    return json.decisions[0].backend
  }
  await health('main', 'healthy')
  await health('backup', 'healthy')
  for (let i = 0; i < 5; i++) assert.equal(await who(), 'main')
  const down = gateway.lines.length
  main.become(status(503))
  await health('main', 'unhealthy', down)
  for (let i = 0; i < 5; i++) assert.equal(await who(), 'backup')
  const up = gateway.lines.length
  main.become(status(200))
  await health('main', 'healthy', up)
  for (let i = 0; i < 5; i++) assert.equal(await who(), 'main')
  const { json } = await callJson('GET', `${gateway.admin}/backends/backup`)
  assert.deepEqual([json.backup, json.total], [true, 5])
  const { text } = await call(`${gateway.admin}/metrics`)
  assert.match(text, /^leastwise_backend_backup\{[^}]*backend="backup"[^}]*\} 1$/m)
})

test('no client sees an error when the only other backend has just died', async (t) => {
  const backup = await answering()
  t.after(() => backup.close())
  const gateway = await startGateway({ BACKENDS: `${deadUrl()},${backup.url};backup=true` })
  t.after(() => gateway.stop('SIGKILL'))
  for (const method of ['GET', 'POST', 'GET', 'POST'] as const) {
    assert.equal((await call(gateway.url, { method })).status, 200)
  }
})

test('backups are registered, changed and and changed by the API', async (t) => {
  const backup = await answering()
  t.after(() => backup.close())
  const gateway = await startGateway({ BACKENDS: deadUrl() })
  t.after(() => gateway.stop('SIGKILL'))
  const { status: created, json } = await callJson('POST', `${gateway.admin}/backends`, {
    url: backup.url,
    id: 'x',
    backup: true,
  })
  assert.deepEqual([created, json.backup], [201, true])
  const patched = await callJson('PATCH', `${gateway.admin}/backends/x`, { backup: false })
  assert.deepEqual([patched.status, patched.json.backup], [200, false])
  const refused = await callJson('PATCH', `${gateway.admin}/backends/x`, { weight: 0 })
  assert.equal(refused.status, 400)
  assert.match(refused.json.message, /weight .*drain/)
})

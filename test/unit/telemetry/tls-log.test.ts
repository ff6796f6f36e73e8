import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyBaseLogger } from 'fastify'
import { Balancer } from '../../../src/balancer/index.js'
import { TlsFileError } from '../../../src/proxy/upstream/tls/pem-files.js'
import { logFileChange, warnOfUncheckedTls } from '../../../src/telemetry/tls-log.js'

/** A log whose lines are kept, each with its level. */
function recording() {
  const lines: Record<string, unknown>[] = []
  const at = (level: string) => (line: object, msg: string) => lines.push({ level, ...line, msg })
  return { lines, log: { info: at('info'), warn: at('warn') } as unknown as FastifyBaseLogger }
}

test('a backend whose certificate is not checked is warned of once', () => {
  const { lines, log } = recording()
  const { registry } = new Balancer({
    backends: [{ url: 'https://a:1', rejectUnauthorized: false }, 'https://b:1'],
  })
  warnOfUncheckedTls(log, 'users', registry, true)
  registry.update('a-1', { weight: 2 })
  registry.update('b-1', { rejectUnauthorized: true })
  registry.add({ url: 'https://c:1', rejectUnauthorized: false })
  registry.update('b-1', { rejectUnauthorized: false })
  registry.update('a-1', { rejectUnauthorized: null })
  registry.update('a-1', { rejectUnauthorized: false })
  assert.deepEqual(
    lines.map(({ backend }) => backend),
    ['a-1', 'c-1', 'b-1', 'a-1'],
  )
  const { level, pool, event, url } = lines[0] ?? {}
  assert.deepEqual([level, pool, event, url], ['warn', 'users', 'certificates not checked', 'https://a:1'])
})

test('a pool whose certificates are not checked is warned of once, whatever its backends', () => {
  const { lines, log } = recording()
  warnOfUncheckedTls(log, 'users', new Balancer({ backends: ['https://a:1', 'https://b:1'] }).registry, false)
  assert.deepEqual(
    lines.map(({ backend, event }) => [backend, event]),
    [[undefined, 'certificates not checked']],
  )
})

test('changed files are a line with their paths, and with the reason where they cannot be used', () => {
  const { lines, log } = recording()
  const files = { ca: '/ca.pem', cert: '', key: '' }
  logFileChange(log, 'users', { files, error: undefined })
  logFileChange(log, 'users', { files, error: new TlsFileError('ca', '/ca.pem', 'is not a file') })
  assert.deepEqual(lines, [
    {
      level: 'info',
      pool: 'users',
      event: 'tls files taken',
      ca: '/ca.pem',
      msg: 'changed TLS files are used for new connections',
    },
    {
      level: 'warn',
      pool: 'users',
      event: 'tls files not taken',
      ca: '/ca.pem',
      reason: 'ca "/ca.pem" is not a file',
      msg: 'changed TLS files cannot be used: new connections use the last good ones',
    },
  ])
})

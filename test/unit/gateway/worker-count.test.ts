import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SettingError } from '../../../src/config/setting-error.js'
import { workerCount } from '../../../src/gateway/worker-count.js'

test('a number is the number, and auto the processors that the process may use', () => {
  assert.equal(workerCount(1, '24.0.0', 8), 1)
  assert.equal(workerCount(3, '24.0.0', 8), 3)
  assert.equal(workerCount(12, '24.0.0', 8), 12)
  assert.equal(workerCount('auto', '24.0.0', 8), 8)
  assert.equal(workerCount('auto', '24.0.0', 1), 1)
  assert.equal(workerCount('auto', '24.0.0', 1000), 256)
})

test('more than one needs Node 22.12', () => {
  for (const version of ['22.12.0', '22.13.1', '23.1.0', '24.0.0', '26.0.0-nightly20260101']) {
    assert.equal(workerCount(2, version, 8), 2, version)
  }
  for (const version of ['18.20.0', '20.19.0', '21.99.0', '22.0.0', '22.11.99']) {
    assert.equal(workerCount(1, version, 8), 1, version)
    assert.equal(workerCount('auto', version, 1), 1, version)
    assert.throws(() => workerCount(2, version, 1), SettingError, version)
    assert.throws(() => workerCount('auto', version, 2), SettingError, version)
  }
})

test('the message says what is needed and what is there', () => {
  assert.throws(() => workerCount(2, '20.20.2', 8), {
    message: 'WORKERS does not accept 2: more than 1 needs Node 22.12 or newer, and this is Node 20.20.2',
  })
  assert.throws(() => workerCount('auto', '20.20.2', 8), {
    message:
      'WORKERS does not accept "auto", which is 8 here: more than 1 needs Node 22.12 or newer, and this is Node 20.20.2',
  })
})

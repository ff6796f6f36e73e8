import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback } from '../../../src/proxy/http/loopback.js'

test('an IPv4 address is the same whether it is written as one or as an IPv6 address', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', 'LocalHost']) {
    assert.equal(isLoopback(host), true, host)
  }
  for (const host of ['10.0.0.1', '::ffff:10.0.0.1', '::', '127.0.0.1.example', '::127.0.0.1']) {
    assert.equal(isLoopback(host), false, host)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientByAddress, clientByValue } from '../../../src/limits/rate-limit-key.js'
import { addressUnits } from '../../../src/proxy/http/address-units.js'

const client = (address: string) => clientByAddress(addressUnits(address))

test('IPv4 clients count by their address, IPv6 clients by the first 64 bits of theirs', () => {
  assert.notEqual(client('10.0.0.1'), client('10.0.0.2'))
  assert.equal(client('10.0.0.1'), client('::ffff:10.0.0.1'))
  assert.equal(client('2001:db8:1:2::1'), client('2001:db8:1:2:ffff:ffff:ffff:ffff'))
  assert.notEqual(client('2001:db8:1:2::1'), client('2001:db8:1:3::1'))
  assert.notEqual(client('0a00:1::'), client('10.0.0.1'))
  assert.equal(client('unknown'), client(''))
})

test('a long value is not kept, and neither a value nor its hash can be taken for another', () => {
  const long = 'k'.repeat(10_000)
  assert.ok(clientByValue(long).length < 64)
  assert.notEqual(clientByValue(long), clientByValue(`${long}k`))
  assert.notEqual(clientByValue(clientByValue(long)), clientByValue(long))
  assert.notEqual(clientByValue(client('10.0.0.1')), client('10.0.0.1'))
})

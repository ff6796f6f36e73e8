import assert from 'node:assert/strict'
import { BlockList, isIPv4 } from 'node:net'
import { test } from 'node:test'
import { AccessList, accessListOf } from '../../../src/proxy/http/access-list.js'
import { AddressRanges, isAddressRange } from '../../../src/proxy/http/address-ranges.js'
import { addressUnits } from '../../../src/proxy/http/address-units.js'

const has = (entries: string[], address: string) =>
  new AddressRanges(entries).has(addressUnits(address) as string)

test('one address has one text, however it is spelled', () => {
  assert.equal(addressUnits('10.0.0.1'), '\u0a00\u0001')
  for (const same of ['::ffff:10.0.0.1', '::ffff:a00:1', '0:0:0:0:0:ffff:0a00:0001', '::FFFF:10.0.0.1%eth0'])
    assert.equal(addressUnits(same), '\u0a00\u0001', same)
  for (const same of ['fe80::1', 'FE80:0::1', 'fe80:0:0:0:0:0:0:1', 'fe80::1%eth0', 'fe80::0.0.0.1'])
    assert.equal(addressUnits(same), '\ufe80\0\0\0\0\0\0\u0001', same)
  assert.equal(addressUnits('::'), '\0'.repeat(8))
  assert.equal(addressUnits('1::'), `\u0001${'\0'.repeat(7)}`)
  for (const none of ['', 'unknown', '10.0.0', '10.0.0.256', '010.0.0.1', ':::', '1:2', '[::1]'])
    assert.equal(addressUnits(none), undefined, none)
})

test('ranges have their first and their last address, and none beside them', () => {
  assert.ok(has(['10.0.0.0/8'], '10.0.0.0'))
  assert.ok(has(['10.0.0.0/8'], '10.255.255.255'))
  assert.ok(!has(['10.0.0.0/8'], '11.0.0.0'))
  assert.ok(!has(['10.0.0.0/8'], '9.255.255.255'))
  assert.ok(has(['10.0.0.7/30'], '10.0.0.4'))
  assert.ok(has(['10.0.0.1'], '::ffff:10.0.0.1'))
  assert.ok(has(['::ffff:10.0.0.0/104'], '10.9.9.9'))
  assert.ok(has(['2001:db8::/33'], '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff'))
  assert.ok(!has(['2001:db8::/33'], '2001:db8:8000::'))
  assert.ok(has(['fe80::/10'], 'fe80::1%eth0'))
  assert.ok(has(['0.0.0.0/0'], '255.255.255.255'))
  assert.ok(!has(['0.0.0.0/0'], '::1'))
  assert.ok(!has(['::/0'], '10.0.0.1'))
  assert.ok(!has([], '10.0.0.1'))
})

test('what is no range is refused', () => {
  for (const none of [
    '',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '::/129',
    '::ffff:1.2.3.4/95',
    'fe80::1%eth0/64',
    'a',
    '10.0.0.0/8 ',
  ])
    assert.equal(isAddressRange(none), false, none)
  assert.throws(() => new AddressRanges(['10.0.0.0/8', 'local']), {
    message: '"local" is neither an IP address nor a range of them',
  })
})

test('overlapping ranges together are what node:net says of them', () => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const v4 = () => `10.${random(4)}.${random(4)}.${random(256)}`
  const v6 = () => `2001:db8:${random(4)}::${random(3)}:${random(65_536).toString(16)}`
  for (let round = 0; round < 20; round++) {
    const list = new BlockList()
    const entries = Array.from({ length: 30 }, () => {
      const address = random(2) === 0 ? v4() : v6()
      const length = isIPv4(address) ? 12 + random(21) : 40 + random(89)
      list.addSubnet(address, length, isIPv4(address) ? 'ipv4' : 'ipv6')
      return `${address}/${length}`
    })
    const ranges = new AddressRanges(entries)
    for (let i = 0; i < 200; i++) {
      const address = random(2) === 0 ? v4() : v6()
      assert.equal(
        ranges.has(addressUnits(address) as string),
        list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'),
        `${address} in ${entries}`,
      )
    }
  }
})

test('deny goes before allow, and whoever has no address is on no list', () => {
  const list = new AccessList({ allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] })
  assert.deepEqual(
    ['10.0.0.1', '10.1.0.1', '11.0.0.1', '::1', undefined, 'unknown'].map((address) => list.allows(address)),
    [true, false, false, false, false, false],
  )
  const denying = new AccessList({ allow: undefined, deny: ['10.1.0.0/16'] })
  assert.deepEqual(
    ['10.1.0.1', '11.0.0.1', undefined].map((address) => denying.allows(address)),
    [false, true, true],
  )
  assert.equal(accessListOf({ allow: undefined, deny: [] }), undefined)
  assert.equal(accessListOf({ allow: [], deny: [] })?.allows('10.0.0.1'), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidatesFor, listedIn } from '../../../src/proxy/upstream/dns/direct-lookup.js'

test('a file of hosts is read as the system reads it', () => {
  const hosts =
    '127.0.0.1 localhost\n# 10.0.0.9 users\n10.0.0.1\tShop.example shop # users\n::1 localhost users\n\n'
  assert.deepEqual(listedIn(hosts, 'shop'), [{ address: '10.0.0.1', family: 4 }])
  assert.deepEqual(listedIn(hosts, 'users'), [{ address: '::1', family: 6 }])
  assert.deepEqual(
    listedIn(hosts, 'localhost').map(({ address }) => address),
    ['127.0.0.1', '::1'],
  )
  assert.deepEqual(listedIn(hosts, 'shop.example.'), [])
})

test('short names are completed, as resolv.conf says', () => {
  const cases: [string, string, string[]][] = [
    ['users', '', ['users']],
    ['users', 'search a.example b.example', ['users.a.example', 'users.b.example', 'users']],
    ['users.prod', 'search a.example', ['users.prod', 'users.prod.a.example']],
    ['users.prod', 'search a.example\noptions timeout:1 ndots:5', ['users.prod.a.example', 'users.prod']],
    ['users.', 'search a.example', ['users.']],
    ['users', 'search a.example\nsearch b.example', ['users.b.example', 'users']],
    ['users', '# search a.example\nnameserver 10.0.0.1', ['users']],
  ]
  for (const [name, resolvConf, names] of cases) assert.deepEqual(candidatesFor(name, resolvConf), names)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStoreUrl } from '../../../src/stores/redis/url.js'

test('URLs of one server', () => {
  const plain = parseStoreUrl('redis://10.0.0.1')
  assert.deepEqual(plain, {
    kind: 'server',
    hosts: [{ host: '10.0.0.1', port: 6379 }],
    tls: false,
    username: undefined,
    password: undefined,
    db: 0,
    master: undefined,
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    family: 0,
    prefix: 'leastwise',
    displayed: 'redis://10.0.0.1:6379',
  })
  const full = parseStoreUrl('rediss://ann:p%40ss:w%2Frd@valkey.internal:7000/3?prefix=edge&family=4')
  assert.deepEqual(
    [full.tls, full.username, full.password, full.db, full.prefix, full.family, full.displayed],
    [true, 'ann', 'p@ss:w/rd', 3, 'edge', 4, 'rediss://valkey.internal:7000/3'],
  )
  const passwordOnly = parseStoreUrl('redis://:secret@[::1]:7000/')
  assert.deepEqual([passwordOnly.username, passwordOnly.password], [undefined, 'secret'])
  assert.deepEqual(passwordOnly.hosts, [{ host: '::1', port: 7000 }])
  assert.equal(passwordOnly.displayed, 'redis://[::1]:7000')
})

test('URLs of several hosts', () => {
  const sentinels = parseStoreUrl('redis://:p@h1,h2:26380/2?sentinel=mymaster&sentinelPassword=s')
  assert.equal(sentinels.kind, 'sentinel')
  assert.deepEqual(sentinels.hosts, [
    { host: 'h1', port: 26379 },
    { host: 'h2', port: 26380 },
  ])
  assert.deepEqual([sentinels.master, sentinels.sentinelPassword, sentinels.db], ['mymaster', 's', 2])
  assert.equal(sentinels.displayed, 'redis://h1:26379,h2:26380/2')
  const cluster = parseStoreUrl('redis://h1:1,h2:2?cluster=true')
  assert.deepEqual([cluster.kind, cluster.displayed], ['cluster', 'redis://h1:1,h2:2'])
})

test('A URL that is not valid is refused, without user and password', () => {
  const wrong: [string, RegExp][] = [
    ['http://USER:SECRET@h', /must be redis:/],
    ['USER:SECRET@h', /must be redis:/],
    ['redis://USER:SECRET@a@h', /must be redis:/],
    ['redis://USER:SECRET@', /a host that is not/],
    ['redis://USER:SECRET@h:port', /a host that is not/],
    ['redis://USER:SECRET@h:0', /a port that is not/],
    ['redis://USER:SECRET@h:65536', /a port that is not/],
    ['redis://USER:SECRET@h1,,h2?cluster=true', /a host that is not/],
    ['redis://USER:SECRET@::1', /a host that is not/],
    ['redis://USER:SECRET@h1,h2', /several hosts/],
    ['redis://USER:SECRET@h/SECRET', /a database that is not/],
    ['redis://USER:SECRET@h/1?cluster=true', /no database/],
    ['redis://USER:SECRET%4@h', /a % that/],
    ['redis://SECRET@h', /a password alone is written/],
    ['redis://USER:SECRET@h?prefx=a', /unknown option "prefx"; did you mean "prefix"/],
    ['redis://USER:SECRET@h?x=SECRET', /unknown option "x"; known are/],
    ['redis://USER:SECRET@h?prefix=a{b', /a prefix of 1 to 100/],
    ['redis://USER:SECRET@h?prefix=', /"prefix" without a value/],
    ['redis://USER:SECRET@h?prefix=a&prefix=b', /"prefix" twice/],
    ['redis://USER:SECRET@h?cluster=yes', /true or false/],
    ['redis://USER:SECRET@h?cluster=true&sentinel=a', /both/],
    ['redis://USER:SECRET@h?sentinelPassword=SECRET', /no "sentinel"/],
    ['redis://USER:SECRET@h?family=5', /4, 6 or 0/],
    ['redis://USER:SECRET@h#SECRET', /must be redis:/],
  ]
  for (const [url, why] of wrong) {
    assert.throws(
      () => parseStoreUrl(url),
      (error: Error) => {
        assert.match(error.message, why, url)
        assert.doesNotMatch(error.message, /SECRET|USER:S/, url)
        return true
      },
      url,
    )
  }
})

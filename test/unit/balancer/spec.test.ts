import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOrigin } from '../../../src/balancer/backends/origin.js'
import { InvalidBackendError } from '../../../src/balancer/errors.js'

test('an origin is scheme, host and port', () => {
  const accepted: [string, string][] = [
    ['http://10.0.0.1:8080', 'http://10.0.0.1:8080'],
    ['https://api.example', 'https://api.example'],
    ['http://a:80/', 'http://a'],
    ['HTTP://A:8080', 'http://a:8080'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
    ['http://[::ffff:127.0.0.1]:8080', 'http://127.0.0.1:8080'],
    ['http://[0:0:0:0:0:FFFF:7f00:0001]:8080', 'http://127.0.0.1:8080'],
    ['https://[::ffff:10.200.0.255]', 'https://10.200.0.255'],
    ['http://[::7f00:1]', 'http://[::7f00:1]'],
  ]
  for (const [text, origin] of accepted) assert.equal(parseOrigin(text).origin, origin)
})

test('anything else is refused, also what URL parsers mend', () => {
  const refused = [
    '',
    'a',
    'a:80',
    '//a',
    'ftp://a',
    'unix:tmp/x',
    'unix://a/tmp/x',
    'http:a',
    'http:/a',
    'http://',
    'http:///a',
    'http://a:0',
    'http://a:65536',
    'http://a:x',
    'http://a/path',
    'http://a//',
    'http://a?',
    'http://a/?x=1',
    'http://a#',
    'http://user@a',
    'http://user:secret@a',
    'http://@a',
    'http://a b',
    ' http://a',
    'http://a ',
    'http://a\n',
    'http://a\\b',
    'http://a\t.example',
    'http://[::1',
    'http://%00',
  ]
  for (const text of refused)
    assert.throws(() => parseOrigin(text), InvalidBackendError, JSON.stringify(text))
})

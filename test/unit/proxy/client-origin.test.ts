import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { addressesOf, originOf } from '../../../src/proxy/downstream/fields/client-origin.js'
import { receivedUnrouted } from '../../../src/proxy/downstream/fields/untrusted-fields.js'
import { addressOf, formatNode, parseForwarded } from '../../../src/proxy/http/forwarded-field.js'
import { peerOf } from '../../../src/proxy/http/peer.js'
import { type TrustSetting, trustOf } from '../../../src/proxy/http/trust.js'

interface Case {
  trust?: TrustSetting
  peer?: string | undefined
  fields?: Record<string, string>
}

/** What a backend and the log are told of a request for shop.example with these fields. */
function told({ trust = true, peer = '10.0.0.1', fields = {} }: Case) {
  const rawHeaders = Object.entries(fields).flat()
  const raw = { headers: { ...fields }, rawHeaders, socket: { remoteAddress: peer } }
  const whom = trustOf(trust)
  const received = receivedUnrouted(raw as unknown as IncomingMessage, peerOf(raw.socket), whom)
  const origin = originOf(received, whom, 'shop.example')
  const client = addressesOf(received, whom).clientAddress ?? undefined
  assert.equal(origin.client, client, 'backends and logs are told the same client')
  return { ...origin, client }
}

const says = (fields: Record<string, string>, how: Omit<Case, 'fields'> = {}) => {
  const { for: nodes, proto, host, forwarded, client } = told({ ...how, fields })
  return [nodes, proto, host, forwarded, client]
}

describe('one truth, whichever of the two families a trusted proxy sent', () => {
  const cases: [name: string, fields: Record<string, string>, expected: (string | undefined)[]][] = [
    [
      'nothing',
      {},
      ['10.0.0.1', 'http', 'shop.example', 'for=10.0.0.1;proto=http;host="shop.example"', '10.0.0.1'],
    ],
    [
      'the protocol alone',
      { 'x-forwarded-proto': 'https' },
      ['10.0.0.1', 'https', 'shop.example', 'for=10.0.0.1;proto=https;host="shop.example"', '10.0.0.1'],
    ],
    [
      'the host alone',
      { 'x-forwarded-host': 'front.example:8443' },
      [
        '10.0.0.1',
        'http',
        'front.example:8443',
        'for=10.0.0.1;proto=http;host="front.example:8443"',
        '10.0.0.1',
      ],
    ],
    [
      'X-Forwarded-*',
      { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'front.example' },
      [
        '203.0.113.7, 10.0.0.1',
        'https',
        'front.example',
        'for=203.0.113.7;proto=https;host="front.example", for=10.0.0.1;proto=https;host="front.example"',
        '203.0.113.7',
      ],
    ],
    [
      'Forwarded',
      { forwarded: 'for=203.0.113.7;proto=https;by=10.0.0.1;host="front.example"' },
      [
        '203.0.113.7, 10.0.0.1',
        'https',
        'front.example',
        'for=203.0.113.7;proto=https;by=10.0.0.1;host="front.example", for=10.0.0.1;proto=https;host="front.example"',
        '203.0.113.7',
      ],
    ],
    [
      'Forwarded with quoted IPv6, a port and capitals',
      { forwarded: 'For="[2001:db8::7]:4711" ; Proto=HTTPS' },
      [
        '2001:db8::7, 10.0.0.1',
        'HTTPS',
        'shop.example',
        'For="[2001:db8::7]:4711" ; Proto=HTTPS, for=10.0.0.1;proto=HTTPS;host="shop.example"',
        '2001:db8::7',
      ],
    ],
    [
      'Forwarded with a name that hides, and several elements',
      {
        forwarded:
          'for=_a1;proto=https;host=a.example, for=unknown;proto=http, for="203.0.113.9:80";proto=http',
      },
      [
        'unknown, unknown, 203.0.113.9, 10.0.0.1',
        'https',
        'a.example',
        'for=_a1;proto=https;host=a.example, for=unknown;proto=http, for="203.0.113.9:80";proto=http, ' +
          'for=10.0.0.1;proto=https;host="a.example"',
        '203.0.113.9',
      ],
    ],
    [
      'X-Forwarded-For with IPv6, ports and what is no address',
      {
        'x-forwarded-for': '2001:db8::7,[2001:db8::8]:443 , 203.0.113.9:80, "x',
        'x-forwarded-proto': 'https',
      },
      [
        '2001:db8::7, [2001:db8::8]:443, 203.0.113.9:80, "x, 10.0.0.1',
        'https',
        'shop.example',
        'for="[2001:db8::7]";proto=https;host="shop.example", for="[2001:db8::8]:443", for="203.0.113.9:80", ' +
          'for=unknown, for=10.0.0.1;proto=https;host="shop.example"',
        '2001:db8::7',
      ],
    ],
    [
      'both, and they agree',
      {
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        forwarded: 'for=203.0.113.7;proto=https;secret=1',
      },
      [
        '203.0.113.7, 10.0.0.1',
        'https',
        'shop.example',
        'for=203.0.113.7;proto=https;secret=1, for=10.0.0.1;proto=https;host="shop.example"',
        '203.0.113.7',
      ],
    ],
    ...(
      [
        ['another address', 'for=6.6.6.6;proto=https'],
        ['another protocol', 'for=203.0.113.7;proto=http'],
        ['one more proxy', 'for=6.6.6.6, for=203.0.113.7;proto=https'],
        ['nothing that can be read', 'for=203.0.113.7;proto="https'],
      ] as const
    ).map(([name, forwarded]): (typeof cases)[number] => [
      `both, and Forwarded says ${name}`,
      { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', forwarded },
      [
        '203.0.113.7, 10.0.0.1',
        'https',
        'shop.example',
        'for=203.0.113.7;proto=https;host="shop.example", for=10.0.0.1;proto=https;host="shop.example"',
        '203.0.113.7',
      ],
    ]),
    [
      'some of each',
      { 'x-forwarded-proto': 'https', forwarded: 'for=203.0.113.7' },
      [
        '203.0.113.7, 10.0.0.1',
        'https',
        'shop.example',
        'for=203.0.113.7, for=10.0.0.1;proto=https;host="shop.example"',
        '203.0.113.7',
      ],
    ],
    [
      'a host with what has to be escaped',
      { 'x-forwarded-host': 'a"\\b' },
      ['10.0.0.1', 'http', 'a"\\b', 'for=10.0.0.1;proto=http;host="a\\"\\\\b"', '10.0.0.1'],
    ],
  ]
  for (const [name, fields, expected] of cases) {
    test(name, () => assert.deepEqual(says(fields), expected))
  }
})

test('who is not trusted says nothing', () => {
  const fields = {
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil',
    forwarded: 'for=6.6.6.6',
  }
  const own = ['10.0.0.1', 'http', 'shop.example', 'for=10.0.0.1;proto=http;host="shop.example"', '10.0.0.1']
  for (const trust of [false, 0, '192.168.0.0/16', ['::1'], 'loopback'] as const) {
    assert.deepEqual(says(fields, { trust }), own, String(trust))
  }
})

test('hops and ranges: of a list as much is true as was said by who is trusted', () => {
  const fields = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.7, 10.0.0.2',
    'x-forwarded-proto': 'gopher, https, http',
  }
  for (const [trust, client, proto] of [
    [1, '10.0.0.2', 'http'],
    [2, '203.0.113.7', 'https'],
    [3, '6.6.6.6', 'gopher'],
    [100, '6.6.6.6', 'gopher'],
    [true, '6.6.6.6', 'gopher'],
    ['10.0.0.0/8', '203.0.113.7', 'https'],
    ['10.0.0.1', '10.0.0.2', 'http'],
    ['10.0.0.1/32, 10.0.0.2', '203.0.113.7', 'https'],
    [['10.0.0.0/255.0.0.0', '203.0.113.0/24'], '6.6.6.6', 'gopher'],
  ] as const) {
    const { client: found, proto: told_, for: nodes } = told({ trust, fields })
    assert.deepEqual([found, told_], [client, proto], String(trust))
    assert.equal(nodes, '6.6.6.6, 203.0.113.7, 10.0.0.2, 10.0.0.1')
  }
  const elements = {
    forwarded:
      'for=6.6.6.6;proto=gopher, for=203.0.113.7;proto=https;host=a, for="10.0.0.2:99";proto=http;host=b',
  }
  const { client, proto, host } = told({ trust: 'uniquelocal', fields: elements })
  assert.deepEqual([client, proto, host], ['203.0.113.7', 'https', 'a'])
})

test('a listener for both families shows IPv4 addresses as such, a path in the file system has none', () => {
  const mapped = told({
    peer: '::ffff:10.0.0.1',
    trust: '10.0.0.0/8',
    fields: { 'x-forwarded-for': '203.0.113.7' },
  })
  assert.deepEqual([mapped.for, mapped.client], ['203.0.113.7, 10.0.0.1', '203.0.113.7'])
  const v6 = told({ peer: '2001:db8::1' })
  assert.deepEqual(
    [v6.for, v6.forwarded],
    ['2001:db8::1', 'for="[2001:db8::1]";proto=http;host="shop.example"'],
  )
  const raw = { headers: {}, rawHeaders: [], socket: {} } as unknown as IncomingMessage
  const path = originOf(receivedUnrouted(raw, peerOf(raw.socket), trustOf(true)), trustOf(true), undefined)
  assert.deepEqual([path.for, path.forwarded], ['unknown', 'for=unknown;proto=http'])
})

test('thousands of entries are gone through once, and are not repeated with everything that is known', () => {
  const many = Array.from({ length: 1800 }, () => '10.0.0.1').join()
  const { forwarded, client } = told({
    trust: '10.0.0.0/8',
    fields: { 'x-forwarded-for': many, 'x-forwarded-host': 'h'.repeat(1000) },
  })
  assert.equal(client, '10.0.0.1')
  assert.ok(forwarded.length < 3 * many.length)
  let asked = 0
  const list = new Proxy([] as string[], {
    get(_target, key) {
      if (key === 'length') return 5000
      asked++
      return '203.0.113.7'
    },
  })
  trustOf(['10.0.0.0/8', '0.0.0.0/0'])(peerOf({ remoteAddress: '10.0.0.1' }), list)
  assert.equal(asked, 100)
})

test('Forwarded as other programs write it', () => {
  assert.deepEqual(parseForwarded('for=a, ,;for="b\\"c";x=1;proto=https ; host=d'), [
    { for: 'a' },
    { for: 'b"c', proto: 'https', host: 'd' },
  ])
  assert.deepEqual(parseForwarded('for=1.2.3.4:80;proto=http'), [{ for: '1.2.3.4:80', proto: 'http' }])
  for (const bad of ['for', 'for=', 'for="a', 'for=a b', '=a', 'for=a"b"', `${' '.repeat(9)}for = "\\`]) {
    assert.equal(parseForwarded(bad), undefined, bad)
  }
  assert.deepEqual(parseForwarded(' \t'.repeat(8000)), [])
  for (const [node, address] of [
    ['1.2.3.4:80', '1.2.3.4'],
    ['[::1]', '::1'],
    ['[::1]:_p', '::1'],
    ['::1', '::1'],
    ['1.2.3', undefined],
    ['[1.2.3.4]', '1.2.3.4'],
    ['_hidden', undefined],
    ['unknown', undefined],
  ] as const) {
    assert.equal(addressOf(node), address, node)
  }
  assert.deepEqual(['_a', 'evil;proto=https', '::1', '1.2.3.4', undefined].map(formatNode), [
    '_a',
    'unknown',
    '"[::1]"',
    '1.2.3.4',
    'unknown',
  ])
})

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { assertMistakes, fileFolder, routeFile } from '../../../support/gateway-file.js'

const { folder, write, read, mistakesOf } = fileFolder()

const HASH = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const withAuth = (auth: string) => routeFile('match: {}', 'pool: users', `auth: { ${auth} }`)
const authOf = (auth: string) => read(withAuth(auth)).config.routes?.[0]?.auth
const pem = (kind: 'rsa' | 'ec' | 'ed25519' | 'ed448', options: object) =>
  (generateKeyPairSync as (kind: string, options: object) => { publicKey: string; privateKey: string })(
    kind,
    {
      ...options,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    },
  )

describe('users of basic authentication', () => {
  test('are read, and the file is told', () => {
    write('users', `# people\n\nann:${HASH}\r\n__proto__:${HASH}\n`)
    const { config, files } = read(withAuth('basic: { usersFile: users, forward: X-User }'))
    const auth = config.routes?.[0]?.auth
    assert.ok(auth && 'basic' in auth)
    assert.deepEqual(Object.entries(auth.basic.users), [
      ['ann', HASH],
      ['__proto__', HASH],
    ])
    assert.equal(auth.basic.forward, 'x-user')
    assert.deepEqual(files, [join(folder, 'gateway.yaml'), join(folder, 'users')])
  })

  const lines: [string, string][] = [
    ['ann:$apr1$abc$hunter2', 'has no bcrypt hash'],
    ['ann:{SHA}hunter2', 'has no bcrypt hash'],
    ['ann:hunter2', 'has no bcrypt hash'],
    [`ann:${HASH.replace('$10$', '$15$')}`, 'has no bcrypt hash'],
    [`ann:${HASH}x`, 'has no bcrypt hash'],
    ['hunter2', 'is no name, colon and hash'],
    [`:${HASH}`, 'is no name, colon and hash'],
    [`bob:${HASH}`, 'has the name of another line'],
  ]
  for (const [line, why] of lines) {
    test(`refuse ${line.slice(0, 20)}`, () => {
      write('users', `bob:${HASH}\n${line}\n`)
      const found = mistakesOf(withAuth('basic: { usersFile: users }'))
      assertMistakes(found, [
        `5:33 routes[0].auth.basic.usersFile: does not accept "users": line 2 of the file ${why}`,
      ])
      assert.doesNotMatch(found.join(), /hunter2|\$2b/)
    })
  }
})

describe('API keys', () => {
  test('are hashes by name', () => {
    write('keys', `# keys\na:${sha256('one').toUpperCase()}\nb:${sha256('two')}`)
    assert.deepEqual(authOf('apiKey: { keysFile: keys, header: X-Key }'), {
      apiKey: { header: 'x-key', keys: { a: sha256('one'), b: sha256('two') }, forward: '' },
    })
  })

  const lines: [string, string][] = [
    ['a:abc', 'has no SHA-256 hash'],
    [`a:${sha256('')}`, 'has the hash of an empty key'],
    [`a:${sha256('b').toUpperCase()}`, 'has the hash of another line'],
    [`b:${sha256('c')}`, 'has the name of another line'],
  ]
  for (const [line, why] of lines) {
    test(`refuse ${why}`, () => {
      write('keys', `b:${sha256('b')}\n${line}\n`)
      assertMistakes(mistakesOf(withAuth('apiKey: { keysFile: keys }')), [
        `5:33 routes[0].auth.apiKey.keysFile: does not accept "keys": line 2 of the file ${why}`,
      ])
    })
  }

  test('have a field of their own', () => {
    write('keys', `b:${sha256('b')}\n`)
    const start = '5:47 routes[0].auth.apiKey.header: does not accept'
    assertMistakes(mistakesOf(withAuth('apiKey: { keysFile: keys, header: Cookie }')), [start])
    assertMistakes(mistakesOf(withAuth('apiKey: { keysFile: keys, header: host }')), [start])
    assertMistakes(mistakesOf(withAuth('apiKey: { keysFile: keys, forward: x-api-key }')), [
      '5:48 routes[0].auth.apiKey.forward: does not accept "x-api-key": it is the field of the key',
    ])
    assert.ok(authOf('apiKey: { keysFile: keys, header: authorization }'))
  })
})

describe('tokens', () => {
  test('with a set of keys that is fetched', () => {
    const auth = authOf(
      'jwt: { jwks: https://a/k, issuer: [a, b], audience: c, forward: { __proto__: X-A, sub: X-B } }',
    )
    assert.ok(auth && 'jwt' in auth)
    assert.deepEqual(auth.jwt.issuer, ['a', 'b'])
    assert.deepEqual(auth.jwt.algorithms, ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])
    assert.deepEqual(Object.entries(auth.jwt.forward), [
      ['__proto__', 'x-a'],
      ['sub', 'x-b'],
    ])
  })

  test('with a secret, from which one line end is taken off', () => {
    write('secret', `${'s'.repeat(32)}\n\n`)
    const auth = authOf('jwt: { secretFile: secret }')
    assert.ok(auth && 'jwt' in auth)
    assert.deepEqual(auth.jwt.keys, { secret: `${'s'.repeat(32)}\n` })
    assert.deepEqual(auth.jwt.algorithms, ['HS256'])
    assertMistakes(mistakesOf(withAuth('jwt: { secretFile: secret, algorithms: [HS256, HS512] }')), [
      '5:32 routes[0].auth.jwt.secretFile: does not accept "secret": the secret in the file is shorter than the 64 bytes',
    ])
  })

  test('with public keys', () => {
    const good = [pem('rsa', { modulusLength: 2048 }), pem('ec', { namedCurve: 'P-256' }), pem('ed25519', {})]
    write('keys.pem', good.map(({ publicKey }) => publicKey).join('\n'))
    assert.ok(authOf('jwt: { publicKeyFile: keys.pem }'))
    const bad: [string, string][] = [
      [pem('rsa', { modulusLength: 1024 }).publicKey, 'the file has an RSA key of 1024 bits'],
      [pem('ec', { namedCurve: 'secp256k1' }).publicKey, 'the file has a key of the curve secp256k1'],
      [pem('ed448', {}).publicKey, 'the file has a key of the kind ed448'],
      [pem('ed25519', {}).privateKey, 'the file has a private key'],
      [
        '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
        'the file has a public key or certificate that cannot',
      ],
      ['hello', 'the file has no public key'],
    ]
    for (const [text, why] of bad) {
      write('keys.pem', text)
      assertMistakes(mistakesOf(withAuth('jwt: { publicKeyFile: keys.pem }')), [
        `5:35 routes[0].auth.jwt.publicKeyFile: does not accept "keys.pem": ${why}`,
      ])
    }
  })

  const jwks = 'jwks: https://a/k, issuer: a, audience: b'
  const cases: [string, string][] = [
    [`jwt: { ${jwks}, algorithms: [none] }`, '5:76 routes[0].auth.jwt.algorithms[0]: does not accept "none"'],
    [
      `jwt: { ${jwks}, algorithms: [RS256, HS256] }`,
      '5:83 routes[0].auth.jwt.algorithms[1]: does not accept "HS256"',
    ],
    [
      `jwt: { ${jwks}, algorithms: [RS256, RS256] }`,
      '5:83 routes[0].auth.jwt.algorithms[1]: does not accept "RS256"',
    ],
    [`jwt: { ${jwks}, algorithms: [] }`, '5:75 routes[0].auth.jwt.algorithms: is empty'],
    [
      `jwt: { ${jwks}, clockTolerance: 300001 }`,
      '5:79 routes[0].auth.jwt.clockTolerance: does not accept 300001',
    ],
    [
      `jwt: { ${jwks}, forward: { sub: Host } }`,
      '5:79 routes[0].auth.jwt.forward.sub: does not accept "Host"',
    ],
    [
      `jwt: { ${jwks}, forward: { sub: x_forwarded_for } }`,
      '5:79 routes[0].auth.jwt.forward.sub: does not accept',
    ],
    [
      `jwt: { ${jwks}, forward: { a: x-u, b: x_u } }`,
      '5:85 routes[0].auth.jwt.forward.b: does not accept "x_u": "a" has',
    ],
    [
      'jwt: { jwks: "ftp://a/k", issuer: a, audience: b }',
      '5:26 routes[0].auth.jwt.jwks: does not accept "ftp://a/k"',
    ],
    [
      'jwt: { jwks: "https://u:p@a/k", issuer: a, audience: b }',
      '5:26 routes[0].auth.jwt.jwks: does not accept "https://***@a/k"',
    ],
    ['jwt: {}', '5:18 routes[0].auth.jwt: has none of jwks, secretFile or publicKeyFile'],
    [
      'jwt: { secretFile: missing }',
      '5:32 routes[0].auth.jwt.secretFile: does not accept "missing": the file does not exist',
    ],
    [
      'jwt: { secretFile: . }',
      '5:32 routes[0].auth.jwt.secretFile: does not accept ".": the file is a folder',
    ],
    ['', '5:11 routes[0].auth: has none of jwt, basic or apiKey'],
  ]
  for (const [auth, start] of cases)
    test(`refuse ${auth}`, () => assertMistakes(mistakesOf(withAuth(auth)), [start]))
})

test('the token of the admin API is from a file or the environment', () => {
  const admin = (fields: string) => `admin: { host: 0.0.0.0, ${fields} }\npools: { a: {} }`
  write('token', 'hunter2\n')
  const { config } = read(admin('tokenFile: token'))
  assert.deepEqual(config.admin, { host: '0.0.0.0', port: 3001, token: 'hunter2' })
  assert.deepEqual(read(admin('token: "${T}"'), { T: 'hunter2' }).config.admin, config.admin)
  assertMistakes(mistakesOf(admin('token: hunter2')), [
    '1:32 admin.token: is a secret, which has no place in the file',
  ])
  assertMistakes(mistakesOf(admin('token: "${T}"'), { T: 'a b' }), [
    '1:32 admin.token: does not accept its value',
  ])
  write('token', 'hunter 2')
  const found = mistakesOf(admin('tokenFile: token'))
  assertMistakes(found, [
    '1:36 admin.tokenFile: does not accept "token": the file has something else than a token',
  ])
  assert.doesNotMatch(found.join(), /hunter/)
})

test('a secret of a pool is from the environment', () => {
  const file = (secret: string) => `pools:\n  a:\n    affinitySecret: ${secret}`
  assertMistakes(mistakesOf(file('hunter2hunter2hunter2')), ['3:21 pools.a.affinitySecret: is a secret'])
  const found = mistakesOf(file('"${S}"'), { S: 'hunter2' })
  assertMistakes(found, ['3:21 pools.a.affinitySecret: does not accept its value'])
  assert.doesNotMatch(found.join(), /hunter/)
})

test('certificates of a pool are named from the file', () => {
  write('ca.pem', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n')
  const { config, files } = read(
    'pools: { a: { upstreamCa: ca.pem, backends: [{ url: https://b, ca: ca.pem }] } }',
  )
  assert.equal(config.pools[0]?.settings.upstreamCa, join(folder, 'ca.pem'))
  assert.deepEqual(config.pools[0]?.settings.backends, [{ url: 'https://b', ca: join(folder, 'ca.pem') }])
  assert.deepEqual(files, [join(folder, 'gateway.yaml'), join(folder, 'ca.pem')])
  write('ca.pem', 'hello')
  assertMistakes(mistakesOf('pools: { a: { upstreamCa: ca.pem } }'), [
    '1:27 pools.a.upstreamCa: does not accept "ca.pem": the file has no PEM block',
  ])
})

test('listeners and the admin API have addresses of their own', () => {
  const admin = (address: string, listen: string) => `admin: ${address}\nlisten: ${listen}\npools: { a: {} }`
  const shared = '1:8 admin: the admin API has the address of a listener'
  assertMistakes(mistakesOf(admin('{ port: 80 }', '[{ port: 80 }]')), [shared])
  assertMistakes(mistakesOf(admin('{ port: 80 }', '[{ host: "::", port: 80 }]')), [shared])
  assertMistakes(mistakesOf(admin('{ port: 80 }', '[{ host: 127.0.0.2, port: 80 }]')), [])
  assertMistakes(mistakesOf(admin('{ port: 0 }', '[{ port: 0 }, { port: 0 }]')), [])
  write('token', 'hunter2')
  const both = mistakesOf(admin('{ tokenFile: token, token: "${T}" }', '[{ port: 80 }]'), { T: 'x' })
  assertMistakes(both, ['1:28 admin.token: tokenFile is there as well'])
})

test('files that are empty or too large', () => {
  const file = withAuth('jwt: { secretFile: secret }')
  const start = '5:32 routes[0].auth.jwt.secretFile: does not accept "secret": the file'
  write('secret', ' \n')
  assertMistakes(mistakesOf(file), [`${start} is empty`])
  write('secret', Buffer.alloc(16 * 1024 * 1024 + 1, 'x'))
  assertMistakes(mistakesOf(file), [`${start} has more than 16777216 bytes`])
})

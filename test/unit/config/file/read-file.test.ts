import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseConfig } from '../../../../src/config/environment.js'
import { readGatewayFile } from '../../../../src/config/file/read-file.js'
import { assertMistakes, fileFolder, routeFile } from '../../../support/gateway-file.js'

const { folder, write, read, mistakesOf } = fileFolder()
const route = routeFile
const POOLS = 'pools: { users: { backends: [http://10.0.0.1:80] }, next: {} }\n'

describe('a file of a gateway', () => {
  test('gets the defaults of the environment', () => {
    const { config } = readGatewayFile(
      write('gateway.yaml', 'pools: { a: { backends: [http://10.0.0.1:80], retries: 3 } }'),
      parseConfig({ QUEUE_LIMIT: '7', PORT: '4000', WORKERS: '2', ADMIN_TOKEN: 'secret' }),
      {},
    )
    assert.deepEqual(config.listen, [{ host: '127.0.0.1', port: 4000 }])
    assert.deepEqual(config.admin, { host: '127.0.0.1', port: 3001, token: 'secret' })
    assert.equal(config.workers, 2)
    assert.equal(config.routes, undefined)
    const [pool] = config.pools
    assert.equal(pool?.settings.queueLimit, 7)
    assert.equal(pool?.settings.retries, 3)
  })

  test('is plain data that can be sent to a thread', () => {
    const { config } = read(route('match: { path: /a }', 'split: { users: 1, next: 2 }', 'hedge: p95'))
    assert.deepEqual(structuredClone(config), config)
    assert.deepEqual(config.routes?.[0]?.pools, [
      { pool: 'users', weight: 1 },
      { pool: 'next', weight: 2 },
    ])
  })

  test('may be JSON', () => {
    const json = JSON.stringify({ pools: { a: { backends: ['http://10.0.0.1:80'] } } }, null, '\t')
    assert.equal(read(json, {}, 'gateway.json').config.pools[0]?.name, 'a')
    assert.deepEqual(mistakesOf('{\n  // no\n  "pools": {}\n}', {}, 'gateway.json'), [
      '2:3 : is not JSON: "/" is not expected',
    ])
  })

  test('names of routes are made from what they match, and differ', () => {
    const { config } = read(
      `${POOLS}routes:
  - { match: { host: API.example.com, path: /users }, pool: users }
  - { match: { path: /users, methods: [get] }, pool: users }
  - { match: { path: /users, methods: [get], query: { a: b } }, pool: users }
  - { match: {}, name: rest, pool: users }`,
    )
    assert.deepEqual(
      config.routes?.map(({ name }) => name),
      ['api.example.com/users', 'GET /users', 'GET /users-2', 'rest'],
    )
  })

  test('takes text from the environment, which is not read as YAML', () => {
    const text =
      'listen: [{ port: "${PORT}" }]\npools: { a: { backends: ["http://${HOST}:80"], healthPath: "/$${x}" } }'
    const { config, document } = read(text, { PORT: '81', HOST: '10.0.0.1' })
    assert.equal(config.listen[0]?.port, 81)
    assert.deepEqual(config.pools[0]?.settings.backends, ['http://10.0.0.1:80'])
    assert.equal(config.pools[0]?.settings.healthPath, '/${x}')
    assert.match(JSON.stringify(document), /\$\{HOST\}/)
    assert.deepEqual(mistakesOf(text, { PORT: '81' }), [
      '2:26 pools.a.backends[0]: the variable HOST is not set',
    ])
    const shown = mistakesOf(text, { PORT: 'hunter2', HOST: 'hun ter3' }).join()
    assert.match(shown, /1:18 listen\[0\].port: does not accept its value/)
    assert.doesNotMatch(shown, /hun/)
  })
})

const cases: { name: string; text: string | Buffer; mistakes: string[] }[] = [
  { name: 'empty', text: ' \n', mistakes: ['null:null : is empty'] },
  { name: 'not UTF-8', text: Buffer.from([0xff, 0xfe, 0x61]), mistakes: ['null:null : is not UTF-8'] },
  { name: 'a list', text: '- a', mistakes: ['1:1 : it takes fields: listen, workers, admin, pools, routes'] },
  { name: 'no pools', text: 'workers: 1', mistakes: ['1:1 : has no pools'] },
  {
    name: 'a name twice',
    text: 'pools: { a: {} }\npools: { b: {} }',
    mistakes: ['2:1 pools: comes twice: line 1 has it as well'],
  },
  {
    name: 'a second document',
    text: 'pools: { a: {} }\n---\npools: { b: {} }\n',
    mistakes: ['2:1 : is not understood: it takes one document'],
  },
  {
    name: 'an alias to nothing',
    text: 'pools: *a',
    mistakes: ['1:8 pools: there is no anchor "a" before it'],
  },
  {
    name: 'an unknown field',
    text: `${POOLS}lissten: []`,
    mistakes: ['2:1 lissten: is not known; did you mean "listen"?', '1:1 pools: has several pools'],
  },
  {
    name: 'a setting out of its range',
    text: 'pools:\n  a:\n    retries: 101',
    mistakes: [
      '3:14 pools.a.retries: does not accept 101: it takes a whole number of tries from 0 to 100, 0 for none',
    ],
  },
  {
    name: 'settings that contradict each other',
    text: 'pools:\n  a:\n    ejectMax: 1',
    mistakes: [
      "3:15 pools.a.ejectMax: does not accept 1: it takes the first ejection's time, 10000, or more",
    ],
  },
  {
    name: 'a backend that is no URL',
    text: 'pools:\n  a:\n    backends: [http://a, b:80, { url: http://c, weight: 0 }]',
    mistakes: [
      '3:26 pools.a.backends[1]: does not accept "b:80": it has no scheme: http://b:80 was probably meant',
      '3:57 pools.a.backends[2].weight: does not accept 0: it takes a whole number from 1 to 1000',
    ],
  },
  {
    name: 'a listener twice',
    text: `listen: [{ port: 1 },\n  { port: 1 }]\npools: { a: {} }`,
    mistakes: ['2:3 listen[1]: shares its address with line 1'],
  },
  {
    name: 'an admin API without a token',
    text: 'admin: { host: 0.0.0.0 }\npools: { a: {} }',
    mistakes: ['1:8 admin: the admin API has no token, which is required where its address is not loopback'],
  },
  {
    name: 'a pool that is not there',
    text: route('match: { path: /a }', 'pool: user'),
    mistakes: ['4:11 routes[0].pool: there is no pool "user"; did you mean "users"?'],
  },
  {
    name: 'a route without a goal, and one with two',
    text: `${route('match: { path: /a }')}  - match: { path: /b }\n    pool: users\n    split: { next: 1 }`,
    mistakes: [
      '3:5 routes[0]: has none of pool, split or redirect: it takes exactly one',
      '6:5 routes[1].split: pool is there as well: it takes exactly one of pool, split or redirect',
    ],
  },
  {
    name: 'equal routes',
    text: `${route('match: { path: /a }', 'pool: users')}  - match: { path: /a }\n    pool: next`,
    mistakes: [
      '5:12 routes[1].match: takes requests that routes[0] in line 3 takes as well, and neither is more specific',
    ],
  },
  {
    name: 'a prefix that is not in the match',
    text: route('match: { path: /users }', 'pool: users', 'stripPrefix: /use'),
    mistakes: [
      '5:18 routes[0].stripPrefix: does not accept "/use": it takes match.path, which is "/users", or a start of it by whole segments',
    ],
  },
  {
    name: 'framing in changes of fields',
    text: route('match: {}', 'pool: users', 'headers: { response: { set: { Transfer-Encoding: x } } }'),
    mistakes: ['5:35 routes[0].headers.response.set.Transfer-Encoding: is a field of the gateway itself'],
  },
  {
    name: 'credentials for every origin',
    text: route('match: {}', 'pool: users', "cors: { origin: '*', credentials: true }"),
    mistakes: [
      '5:39 routes[0].cors.credentials: is not for origin "*": browsers refuse that, so name the origins',
    ],
  },
  {
    name: 'a set of keys without issuer and audience',
    text: route('match: {}', 'pool: users', 'auth: { jwt: { jwks: https://a/k } }'),
    mistakes: ['5:18 routes[0].auth.jwt: has no issuer', '5:18 routes[0].auth.jwt: has no audience'],
  },
  {
    name: 'HMAC with public keys',
    text: route(
      'match: {}',
      'pool: users',
      'auth: { jwt: { jwks: https://a/k, issuer: a, audience: b, algorithms: [HS256] } }',
    ),
    mistakes: ['5:76 routes[0].auth.jwt.algorithms[0]: does not accept "HS256": the keys are public'],
  },
  {
    name: 'no algorithm',
    text: route(
      'match: {}',
      'pool: users',
      'auth: { jwt: { jwks: https://a/k, issuer: a, audience: b, algorithms: [none] } }',
    ),
    mistakes: ['5:76 routes[0].auth.jwt.algorithms[0]: does not accept "none": it takes one of RS256'],
  },
]

describe('every mistake has its place', () => {
  for (const { name, text, mistakes } of cases) {
    test(name, () => {
      assertMistakes(mistakesOf(text), mistakes)
    })
  }
})

describe('files that the file names', () => {
  const HASH = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'
  const keys = (auth: string) => route('match: {}', 'pool: users', `auth: { ${auth} }`)

  test('are read, and told', () => {
    write('users', `# people\nann:${HASH}\n`)
    const { config, files } = read(keys('basic: { usersFile: users, forward: X-User }'))
    assert.deepEqual(config.routes?.[0]?.auth, {
      basic: { users: { ann: HASH }, realm: 'leastwise', forward: 'x-user' },
    })
    assert.deepEqual(files, [join(folder, 'gateway.yaml'), join(folder, 'users')])
  })

  test('have mistakes with their line, and no hash is shown', () => {
    write('users', `ann:${HASH}\nbob:$apr1$secret\nann:${HASH}\n`)
    const found = mistakesOf(keys('basic: { usersFile: users }'))
    assert.deepEqual(found, [
      '5:33 routes[0].auth.basic.usersFile: does not accept "users": line 2 of the file has no bcrypt hash of a cost from 4 to 14; htpasswd -B makes one',
      '5:33 routes[0].auth.basic.usersFile: does not accept "users": line 3 of the file has the name of another line',
    ])
    write('keys', `a:${'0'.repeat(63)}\n`)
    assert.match(mistakesOf(keys('apiKey: { keysFile: keys }')).join(), /line 1 of the file has no SHA-256/)
    assert.match(mistakesOf(keys('apiKey: { keysFile: missing }')).join(), /the file does not exist/)
    write('secret', 'x'.repeat(31))
    assert.match(
      mistakesOf(keys('jwt: { secretFile: secret }')).join(),
      /shorter than the 32 bytes that HS256 takes/,
    )
  })
})

describe('no input stops it', () => {
  test('aliases that grow without end', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `  - &a${i + 1} [${`*a${i},`.repeat(9)}]`)
    assert.match(mistakesOf(`x:\n  - &a0 [1]\n${levels.join('\n')}`).join(), /more than 1000000 parts/)
  })

  test('an alias within its own anchor', () => {
    assert.equal(mistakesOf('pools: &a { b: *a }').length, 1)
  })

  test('more mistakes than anybody mends', () => {
    const found = mistakesOf(Array.from({ length: 5000 }, (_, i) => `k${i}: 1`).join('\n'))
    assert.equal(found.length, 1000)
  })

  test('nesting', () => {
    assert.equal(mistakesOf('['.repeat(20_000)).length, 1)
  })

  test('any document', () => {
    const words = [
      'pools',
      'routes',
      'match',
      'pool',
      'path',
      'auth',
      'jwt',
      'admin',
      'listen',
      'users',
      '__proto__',
    ]
    const name = fc.constantFrom(
      ...words,
      'split',
      'cors',
      'headers',
      'backends',
      'url',
      'host',
      'redirect',
      'set',
    )
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), name)
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(name, tie('node'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(name, node), (document) => void mistakesOf(JSON.stringify(document))),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => void mistakesOf(text)),
      { numRuns: 200 },
    )
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertMistakes, fileFolder, routeFile } from '../../../support/gateway-file.js'

const { read, mistakesOf } = fileFolder()

/** Fields of a route, beside its match and its pool, that are line 5, and how their mistakes begin. */
const cases: [string, string][] = [
  ['hedge: sometimes', '5:12 routes[0].hedge: does not accept "sometimes": it takes "off" or "p95"'],
  ['retries: 101', '5:14 routes[0].retries: does not accept 101'],
  ['maxBody: -1', '5:14 routes[0].maxBody: does not accept -1'],
  ['timeouts: { respond: 1 }', '5:17 routes[0].timeouts.respond: is not known'],
  ['timeouts: { response: "1" }', '5:27 routes[0].timeouts.response: does not accept "1"'],
  ['compress: yes', '5:15 routes[0].compress: does not accept "yes": it takes true or false'],
  ['rateLimit: { max: 0 }', '5:23 routes[0].rateLimit.max: does not accept 0'],
  ['rateLimit: { max: 1, window: 86400001 }', '5:34 routes[0].rateLimit.window: does not accept 86400001'],
  ['rateLimit: { max: 1, by: "header:" }', '5:30 routes[0].rateLimit.by: does not accept "header:"'],
  ['rateLimit: { max: 1, failOpen: maybe }', '5:36 routes[0].rateLimit.failOpen: does not accept "maybe"'],
  ['rateLimit: {}', '5:16 routes[0].rateLimit: has no max'],
  ['allow: [10.0.0.0/33]', '5:13 routes[0].allow[0]: does not accept "10.0.0.0/33"'],
  ['deny: [localhost]', '5:12 routes[0].deny[0]: does not accept "localhost"'],
  ['stripPrefix: users', '5:18 routes[0].stripPrefix: does not accept "users": a path begins with a slash'],
  ['rewritePrefix: /a/../b', '5:20 routes[0].rewritePrefix: does not accept "/a/../b"'],
  [
    'rewritePrefix: /a/',
    '5:20 routes[0].rewritePrefix: does not accept "/a/": it takes a path without a slash at',
  ],
  ['mirror: { pool: nxet }', '5:21 routes[0].mirror.pool: there is no pool "nxet"; did you mean "next"?'],
  ['mirror: { pool: next, percent: 101 }', '5:36 routes[0].mirror.percent: does not accept 101'],
  [
    'headers: { request: { set: { Connection: a } } }',
    '5:34 routes[0].headers.request.set.Connection: is a field',
  ],
  [
    'headers: { request: { set: { "a b": a } } }',
    '5:34 routes[0].headers.request.set["a b"]: is no name for this',
  ],
  [
    'headers: { request: { set: { a: "b\\nc" } } }',
    '5:37 routes[0].headers.request.set.a: does not accept "b\\nc"',
  ],
  [
    'headers: { request: { add: { host: a } } }',
    '5:34 routes[0].headers.request.add.host: is a field of the gateway',
  ],
  [
    'headers: { request: { set: { host: "a b" } } }',
    '5:40 routes[0].headers.request.set.host: does not accept "a b"',
  ],
  [
    'headers: { request: { remove: [TE] } }',
    '5:36 routes[0].headers.request.remove[0]: is a field of the gateway',
  ],
  [
    'headers: { request: { set: { a: b }, remove: [A] } }',
    '5:51 routes[0].headers.request.remove[0]: is in set as well',
  ],
  [
    'headers: { response: { set: { content-length: "1" } } }',
    '5:35 routes[0].headers.response.set.content-length: is a',
  ],
  [
    'headers: { response: { set: { __proto__: "1" } } }',
    '5:35 routes[0].headers.response.set.__proto__: is a field',
  ],
  [
    'cors: { origin: https://a.example/ }',
    '5:21 routes[0].cors.origin: does not accept "https://a.example/"',
  ],
  [
    'cors: { origin: [https://a.example:443] }',
    '5:22 routes[0].cors.origin[0]: does not accept "https://a.example:443"',
  ],
  ['cors: { origin: ["*", https://a.example] }', '5:22 routes[0].cors.origin[0]: does not accept "*"'],
  ['cors: { origin: "null" }', '5:21 routes[0].cors.origin: does not accept "null"'],
  ['cors: { origin: "*", methods: [GTE] }', '5:36 routes[0].cors.methods[0]: does not accept "GTE"'],
  ['cors: {}', '5:11 routes[0].cors: has no origin'],
  ['name: "a\\nb"', '5:11 routes[0].name: does not accept "a\\nb"'],
  ['nmae: a', '5:5 routes[0].nmae: is not known; did you mean "name"?'],
  ['constructor: a', '5:5 routes[0].constructor: is not known'],
]

const matches: [string, string][] = [
  [
    '{ host: "a.example:80" }',
    '3:20 routes[0].match.host: does not accept "a.example:80": it takes a host without a port',
  ],
  ['{ host: "*" }', '3:20 routes[0].match.host: does not accept "*"'],
  ['{ host: "a.*.example" }', '3:20 routes[0].match.host: does not accept "a.*.example"'],
  ['{ host: 1.2.3 }', '3:20 routes[0].match.host: does not accept "1.2.3"'],
  ['{ host: "*.1.2.3.4" }', '3:20 routes[0].match.host: does not accept "*.1.2.3.4"'],
  ['{ path: users }', '3:20 routes[0].match.path: does not accept "users": a path begins with a slash'],
  ['{ path: /a%2fb }', '3:20 routes[0].match.path: does not accept "/a%2fb"'],
  ['{ path: /a/* }', '3:20 routes[0].match.path: does not accept "/a/*": it takes a path without *'],
  ['{ methods: [] }', '3:23 routes[0].match.methods: is empty: it takes at least one'],
  ['{ methods: GET }', '3:23 routes[0].match.methods: does not accept "GET": it takes a list'],
  ['{ methods: [CONNECT] }', '3:24 routes[0].match.methods[0]: does not accept "CONNECT"'],
  [
    '{ headers: { a: 1 } }',
    '3:28 routes[0].match.headers.a: does not accept 1: it takes text; write it in quotation marks',
  ],
  [
    '{ headers: { a: "1", A: "2" } }',
    '3:33 routes[0].match.headers.A: comes twice: names of fields have no case',
  ],
  ['{ query: [] }', '3:21 routes[0].match.query: does not accept []: it takes fields with names'],
  ['', '3:5 routes[0].match: is empty'],
]

const goals: [string, string][] = [
  ['split: { users: 0 }', '4:12 routes[0].split: has only weights of 0'],
  ['split: {}', '4:12 routes[0].split: is empty'],
  ['split: { users: -1 }', '4:21 routes[0].split.users: does not accept -1'],
  ['split: { user: 1 }', '4:14 routes[0].split.user: there is no pool "user"; did you mean "users"?'],
  [
    'redirect: { status: 300, to: /a }',
    '4:25 routes[0].redirect.status: does not accept 300: it takes 301, 302',
  ],
  ['redirect: { to: //a.example }', '4:21 routes[0].redirect.to: does not accept "//'],
  [
    'redirect: { to: "https://u:p@a.example" }',
    '4:21 routes[0].redirect.to: does not accept "https://***@a.example"',
  ],
  ['redirect: { to: "/a b" }', '4:21 routes[0].redirect.to: does not accept "/a b"'],
  [
    'redirect: { to: "javascript:alert(1)" }',
    '4:21 routes[0].redirect.to: does not accept "javascript:alert(1)"',
  ],
  ['redirect: {}', '4:15 routes[0].redirect: has no to'],
  ['redirect: { to: /a }\n    mirror: { pool: next }', '5:5 routes[0].mirror: is not for a redirect'],
]

describe('mistakes of a route', () => {
  for (const [line, start] of cases)
    test(line, () =>
      assertMistakes(mistakesOf(routeFile('match: { path: /users }', 'pool: users', line)), [start]),
    )
  for (const [match, start] of matches)
    test(`match: ${match}`, () =>
      assertMistakes(mistakesOf(routeFile(`match: ${match}`, 'pool: users')), [start]))
  for (const [goal, start] of goals)
    test(goal, () => assertMistakes(mistakesOf(routeFile('match: {}', goal)), [start]))
})

test('what a route leaves out', () => {
  const { config } = read(
    routeFile(
      'match: { path: / }',
      'pool: users',
      'cors: { origin: https://a.example }',
      'rateLimit: { max: 5 }',
    ),
  )
  const [route] = config.routes ?? []
  assert.equal(route?.name, '/')
  assert.deepEqual(route?.match, { host: undefined, path: '', methods: undefined, headers: {}, query: {} })
  assert.deepEqual(route?.rateLimit, { max: 5, window: 60_000, by: 'ip', failOpen: true })
  assert.deepEqual(route?.cors?.methods, ['GET', 'HEAD', 'POST'])
  assert.equal(route?.allow, undefined)
})

test('names and values are written in one way', () => {
  const { config } = read(
    routeFile(
      'match: { host: "*.Example.com", path: /Users, methods: [get, GET], headers: { X-A: B } }',
      'pool: users',
      'stripPrefix: /Users',
      'rateLimit: { max: 5, by: header:X-Key, failOpen: false }',
      'headers: { request: { set: { X-B: C, host: inner }, remove: [X-D] } }',
    ),
  )
  const [route] = config.routes ?? []
  assert.deepEqual(route?.match, {
    host: '*.example.com',
    path: '/Users',
    methods: ['GET'],
    headers: { 'x-a': 'B' },
    query: {},
  })
  assert.deepEqual(route?.rateLimit, {
    max: 5,
    window: 60_000,
    by: { header: 'x-key' },
    failOpen: false,
  })
  assert.deepEqual(route?.headers.request, { set: { 'x-b': 'C', host: 'inner' }, add: {}, remove: ['x-d'] })
})

test('what is from the environment is in no name and no message', () => {
  const file = routeFile(
    'match: { host: "${HOST}", path: "/${NAME}" }',
    'pool: "${POOL}"',
    'stripPrefix: "/${OTHER}"',
  )
  const variables = { HOST: 'hunter.example', NAME: 'hunter', POOL: 'users', OTHER: 'hunter' }
  const { config } = read(file, variables)
  assert.equal(config.routes?.[0]?.name, '${HOST}/${NAME}')
  assert.equal(config.routes?.[0]?.match.path, '/hunter')
  const text = mistakesOf(file, { ...variables, POOL: 'hunter', OTHER: 'hunter2', HOST: 'hunter:80' }).join(
    '\n',
  )
  assert.equal(text.split('\n').length, 3, text)
  assert.doesNotMatch(text, /hunter/)
})

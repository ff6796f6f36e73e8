import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../routes/admin.js'
import { mistakeExample } from '../../src/admin/contract/config.js'
import { RequestExplanation } from '../../src/admin/contract/request-explanation.js'
import { Balancer } from '../../src/balancer/balancer.js'
import { commandsWith } from '../support/command.js'
import { exampleOf, ScriptedControl } from '../support/gateway-control.js'

const open: { close(): unknown }[] = []
after(() => Promise.all(open.map((thing) => thing.close())))

async function gateway() {
  const control = new ScriptedControl()
  const pools = new Map(
    ['users', 'orders'].map((name) => [name, new Balancer({ backends: [`http://${name}:1`] })]),
  )
  const app = Fastify()
  open.push(app)
  await app.register(adminRoutes, { pools, token: undefined, control })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { control, run: commandsWith({ LEASTWISE_URL: url }) }
}

describe('leastwise, of a gateway with routes', { concurrency: true }, () => {
  test('routes are printed with what each has done', async () => {
    const { control, run } = await gateway()
    const [users] = control.list
    assert.ok(users)
    control.list.push({
      ...users,
      name: 'split',
      match: { host: null, path: '/', methods: null, headers: { 'x-version': '2' }, query: { a: 'b' } },
      pools: [
        { pool: 'users', weight: 90 },
        { pool: 'next', weight: 10 },
      ],
      mirror: { pool: 'next', percent: 5 },
      plugins: {
        allow: ['10.0.0.0/8'],
        deny: ['10.0.0.1'],
        rateLimit: null,
        auth: null,
        cors: null,
        compress: true,
      },
      latency: { mean: null, p50: null, p99: null },
    })
    control.list.push({
      ...users,
      name: 'old',
      pools: [],
      redirect: { status: 308, to: 'https://a.example' },
    })
    const { code, stdout, stderr } = await run('routes')
    assert.deepEqual([code, stderr], [0, ''])
    const [head, first, second, third] = stdout.split('\n').map((line) => line.split(/ {2,}/))
    assert.deepEqual(head, ['name', 'match', 'to', 'plugins', 'requests', 'failed', 'refused', 'p50', 'p99'])
    assert.deepEqual(first?.slice(0, 4), [
      'users',
      'GET,POST api.example.com/users',
      'users',
      'cors rateLimit jwt',
    ])
    assert.deepEqual(first?.slice(4), ['18204', '3', '46', '2.9', '38'])
    assert.deepEqual(second?.slice(0, 4), [
      'split',
      '/ x-version: 2 ?a=b',
      'users 90%, next 10%, mirror next 5%',
      'allow deny compress',
    ])
    assert.deepEqual(second?.slice(-2), ['-', '-'])
    assert.equal(third?.[2], '308 https://a.example')
    assert.deepEqual(JSON.parse((await run('routes --json')).stdout), { routes: control.list })
    control.list = []
    assert.equal((await run('routes')).stdout, 'there are no routes: every request goes to the only pool\n')
  })

  test('the file is loaded again, or its mistakes are printed as compilers print them', async () => {
    const { control, run } = await gateway()
    assert.deepEqual(await run('reload'), { code: 0, stdout: 'added pool orders\n', stderr: '' })
    control.mistakes = [
      mistakeExample,
      { ...mistakeExample, line: null, column: null, path: '', message: 'no' },
    ]
    assert.deepEqual(await run('reload'), {
      code: 1,
      stdout: '',
      stderr:
        'gateway.yaml:12:7 routes[0].pool: there is no pool "user"; did you mean "users"?\ngateway.yaml no\n',
    })
    const { code, stderr } = await run('reload --json')
    const { message, ...failure } = JSON.parse(stderr)
    assert.deepEqual(
      [code, failure],
      [1, { exitCode: 1, code: 'LEASTWISE_INVALID_CONFIG', statusCode: 400, mistakes: control.mistakes }],
    )
    control.hasFile = false
    assert.match((await run('reload')).stderr, /^leastwise: LEASTWISE_NO_CONFIG_FILE: .*\n$/)
  })

  test('all pools are watched, one after another, or the one that is named', async () => {
    const { run } = await gateway()
    const { code, stdout } = await run('top --once')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^\S+Z\npool users \| least-connections \|.*\nid .*\nusers-1 .*\n\n\S+Z\npool orders \|.*\nid .*\norders-1 .*\n$/,
    )
    const lines = (await run('top --once --json')).stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).name),
      ['users', 'orders'],
    )
    assert.match(
      (await run('top --once --pool orders')).stdout,
      /^\S+Z\nleast-connections \|.*\nid .*\norders-1 .*\n$/,
    )
    const { code: wrong, stderr } = await run('top --once --pool nobody')
    assert.deepEqual([wrong, stderr], [1, 'leastwise: LEASTWISE_POOL_NOT_FOUND: there is no pool "nobody"\n'])
  })

  test('a request is explained: who takes it, what is done with it, who gets it', async () => {
    const { control, run } = await gateway()
    const asked: object[] = []
    const example = exampleOf<RequestExplanation>(RequestExplanation)
    control.explain = async (request?: object): Promise<RequestExplanation> => {
      asked.push(request ?? {})
      return example
    }
    assert.deepEqual(await run('explain --path /users/7'), {
      code: 0,
      stdout: `refused: auth: the request has no bearer token
the client gets 401 LEASTWISE_UNAUTHORIZED
route users: host api.example.com, path /users
not route admin: the method is GET, and it takes POST
step       goes on  why
rateLimit  yes      99 of 100 requests are left for 60000 ms
auth       no       the request has no bearer token
`,
      stderr: '',
    })
    Object.assign(example, {
      outcome: 'forwarded',
      steps: [],
      candidates: [],
      answer: null,
      forward: {
        pool: 'users',
        pools: [
          { pool: 'users', probability: 0.9 },
          { pool: 'next', probability: 0.1 },
        ],
        path: '/v2/7',
        headers: { set: ['x-a', 'x-user'], add: [], remove: ['x-c'] },
        affinity: 'cookie:leastwise',
        explanation: { ...JSON.parse(JSON.stringify(new Balancer({}).explain({}))), error: null },
      },
    })
    const { stdout } = await run(
      'explain --path /users/7 --host a.example --method post --header x-a:1 --header X-A:2 --client 10.0.0.7 --json',
    )
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(example)))
    assert.deepEqual(asked, [
      { path: '/users/7' },
      {
        path: '/users/7',
        host: 'a.example',
        method: 'POST',
        headers: { 'x-a': '1, 2' },
        client: '10.0.0.7',
      },
    ])
    assert.match(
      (await run('explain --path /users/7')).stdout,
      /^forwarded: .*\npools: users 90%, next 10%\nthe backend sees \/v2\/7\nthe route sets x-a, x-user\nthe route removes x-c\naffinity by cookie:leastwise\npool users: no backend\n {2}\S.*\n$/,
    )
  })
})

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/process.js'

/** The rooms of the tree from the bottom to the top. A file imports from its own room and from rooms that `may` names. */
const rooms: { room: string; may: string[]; packages: RegExp }[] = [
  { room: 'src/text/', may: [], packages: /^$/ },
  { room: 'src/routing/', may: ['src/text/'], packages: /^node:http$/ },
  { room: 'src/threads/', may: [], packages: /^node:worker_threads$/ },
  { room: 'src/balancer/', may: ['src/threads/'], packages: /^node:(async_hooks|events|worker_threads)$/ },
  {
    room: 'src/proxy/http/',
    may: ['src/balancer/'],
    packages: /^(node:(http|http2|net|stream)|fastify|@fastify\/proxy-addr)$/,
  },
  {
    room: 'src/proxy/upstream/',
    may: ['src/balancer/', 'src/proxy/http/', 'src/proxy/context.js'],
    packages: /^node:(crypto|dns|fs|fs\/promises|http|https|net|os|stream|tls)$/,
  },
  {
    room: 'src/proxy/downstream/',
    may: [
      'src/balancer/',
      'src/proxy/http/',
      'src/proxy/context.js',
      'src/proxy/downstream-port.js',
      'src/proxy/route-target.js',
      'src/proxy/upstream/',
    ],
    packages: /./,
  },
  { room: 'src/proxy/', may: ['src/balancer/'], packages: /./ },
  { room: 'src/telemetry/', may: ['src/text/', 'src/balancer/', 'src/proxy/'], packages: /./ },
  {
    room: 'src/config/',
    may: ['src/text/', 'src/routing/', 'src/balancer/', 'src/proxy/http/'],
    packages: /^(node:(crypto|fs|net|path|util)|typebox.*|yaml|dotenv|prom-client)$/,
  },
  {
    room: 'src/auth/',
    may: ['src/balancer/observer-guard.js', 'src/balancer/time/', 'src/config/file/gateway-config.js'],
    packages: /^(node:crypto|jose|bcrypt)$/,
  },
  {
    room: 'src/limits/',
    may: ['src/balancer/', 'src/config/file/gateway-config.js', 'src/proxy/http/address-units.js'],
    packages: /^node:crypto$/,
  },
  {
    room: 'src/stores/',
    may: ['src/text/', 'src/balancer/', 'src/limits/rate-limit-counter.js'],
    packages: /^(node:.*|ioredis)$/,
  },
  {
    room: 'src/admin/',
    may: ['src/text/', 'src/routing/', 'src/balancer/', 'src/proxy/downstream/errors/', 'src/telemetry/'],
    packages: /./,
  },
  {
    // Types only: a browser loads the page's scripts, and nothing else of ours.
    room: 'src/dashboard/',
    may: ['src/balancer/index.js', 'src/admin/contract/'],
    packages: /^(node:(crypto|fs|module|path)|uplot)$/,
  },
  {
    room: 'src/pool/',
    may: ['src/balancer/', 'src/config/', 'src/proxy/', 'src/telemetry/'],
    packages: /^(node:(crypto|http|util)|fastify)$/,
  },
  {
    room: 'plugins/',
    may: [
      'src/auth/',
      'src/balancer/',
      'src/config/',
      'src/limits/',
      'src/proxy/',
      'src/pool/',
      'src/telemetry/',
      'src/admin/',
    ],
    packages: /./,
  },
  {
    room: 'routes/',
    may: [
      'src/balancer/',
      'src/proxy/downstream/errors/',
      'src/telemetry/',
      'src/admin/',
      'src/dashboard/',
      'plugins/',
    ],
    packages: /./,
  },
  {
    room: 'src/cli/',
    // Fastify only where it serves, or every command would start three times slower.
    may: [
      'src/balancer/',
      'src/proxy/http/loopback.js',
      // Types only.
      'src/admin/contract/',
      'src/config/admin-listener.js',
      'src/config/env-file.js',
      'src/config/environment.js',
      'src/config/file/',
      'src/config/setting-error.js',
      'src/text/',
      'src/gateway/main.js',
      'src/gateway/signals.js',
    ],
    packages: /^(node:(events|fs|http|https|timers\/promises|util)|commander)$/,
  },
  {
    // The package's face: it puts the admin API beside a pool.
    room: 'src/index.ts',
    may: [
      'src/balancer/',
      'src/config/',
      'src/proxy/',
      'src/stores/',
      'src/telemetry/',
      'plugins/',
      'routes/admin.js',
    ],
    packages: /^fastify(-plugin)?$/,
  },
  {
    // Makes documents from what is described below; it is no part of the package.
    room: 'src/reference/',
    may: ['src/balancer/', 'src/config/', 'src/admin/', 'routes/admin.js'],
    packages: /^(node:fs|fastify|prom-client)$/,
  },
  {
    room: 'src/gateway/',
    may: [
      'src/auth/',
      'src/balancer/',
      'src/config/',
      'src/limits/',
      'src/proxy/',
      'src/pool/',
      'src/routing/',
      'src/stores/',
      'src/telemetry/',
      'src/text/',
      'src/threads/',
      'src/index.js',
      // What the admin API asks the gateway, with the words of its answers.
      'src/admin/contract/',
      'src/admin/errors.js',
      'src/admin/gateway-control.js',
      'plugins/',
      'routes/admin.js',
    ],
    packages: /./,
  },
]

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

const ours = ['src', 'plugins', 'routes'].flatMap(sources)

/** What a file imports, types included: files of ours as paths, packages as they are called. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const names = [...text.matchAll(/(?:from |import |import\()'([^']+)'/g)].map(([, name]) => name as string)
  return names.map((name) => (name.startsWith('.') ? relative(root, join(root, dirname(file), name)) : name))
}

test('imports point one way', () => {
  const wrong: string[] = []
  for (const file of ours) {
    const own = rooms.find(({ room }) => file.startsWith(room))
    assert.ok(own, `${file} is in a room`)
    for (const name of importsOf(file)) {
      const allowed = /^(src|plugins|routes)\//.test(name)
        ? [own.room, ...own.may].some((prefix) => name.startsWith(prefix))
        : own.packages.test(name)
      if (!allowed) wrong.push(`${file} must not import ${name}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no file imports itself by way of others', () => {
  const graph = new Map(
    ours.map((file) => [file, importsOf(file).map((name) => name.replace(/\.js$/, '.ts'))]),
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(' > '))
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) if (graph.has(next)) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of ours) visit(file, [])
  assert.deepEqual(circles, [])
})

test('no room for odds and ends', () => {
  for (const folder of ['src', 'plugins', 'routes', 'test', 'bench']) {
    for (const file of sources(folder)) assert.doesNotMatch(file, /util|helper|misc/)
  }
})

test('processes that tests and benchmarks start end with them', () => {
  for (const file of [...sources('test'), ...sources('bench')]) {
    if (file === 'test/support/children.ts') continue
    for (const [, names] of readFileSync(join(root, file), 'utf8').matchAll(
      /import \{([^}]*)\} from 'node:child_process'/g,
    )) {
      assert.doesNotMatch(
        names as string,
        /\b(spawn|fork)\b/,
        `${file} takes them from test/support/children`,
      )
    }
  }
})

import assert from 'node:assert/strict'
import { posix, win32 } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { RouteTable } from '../../../src/routing/route-table.js'

const prefixes = ['', '/admin', '/admin/open', '/public', '/api', '/api/secret']

/** Who may reach /admin and /api/secret depends on the route; /api is taken off before the backend gets the path. */
const table = new RouteTable(
  prefixes.map((path) => ({
    match: { host: undefined, path, methods: undefined, headers: {}, query: {} },
    stripPrefix: path.startsWith('/api') ? '/api' : '',
  })),
)

function route(path: string): string | undefined {
  const found = table.find({ method: 'GET', host: undefined, path, headers: {} })
  return typeof found === 'number' ? (prefixes[found] as string) : found
}

test('paths of which a server may read another route are refused', () => {
  const paths = [
    // Dots, as they are, escaped and in part escaped.
    '/public/../admin',
    '/public/..',
    '/public/../',
    '/x/../admin/y',
    '/./admin',
    '/../admin',
    '/../../../../admin',
    '/public/./../admin',
    '/public/%2e%2e/admin',
    '/public/.%2e/admin',
    '/public/%2E./admin',
    '/%2e/admin',
    '/admin/open/../secret',
    '/admin/open/%2e%2e/secret',
    '/admin/../public/x',
    '/admin/..',
    '/admin/a%2fb/%2e%2e/%2e%2e',
    // Escaped slashes.
    '/admin%2fx',
    '/admin%2F',
    '/%2fadmin',
    '/public%2f..%2fadmin',
    '/public/..%2fadmin',
    '/public/x%2f..%2f..%2fadmin',
    '/admin/open%2f..%2fsecret',
    '/x%2f../admin',
    '/admin/..%2f/%2e%2e/admin',
    // Backslashes.
    '/admin\\x',
    '\\admin',
    '/\\admin',
    '/public\\..\\admin',
    '/public/..\\admin',
    '/public/..%5cadmin',
    '/%5cadmin',
    '/admin%5c',
    // Empty segments.
    '//admin',
    '///admin',
    '/public//../admin',
    '/public//../../admin',
    '/admin//open',
    '/admin/x//../open',
    // A host in front of the path.
    '//x/admin',
    '///x/admin',
    '/\\x/admin',
    '//x/../admin',
    // Parameters.
    '/admin;x',
    '/admin;',
    '/;/admin',
    '/;x/admin',
    '/public/..;/admin',
    '/public/..;x=y/admin',
    '/public;/../admin',
    '/admin/open/..;/secret',
    '/admin/open;/../secret',
    '/public/;/../admin',
    '/public/.;/..;/admin',
    '/admin%3bx',
    '/public/..%3b/admin',
    // Escapes within escapes.
    '/public/%252e%252e/admin',
    '/public%252f..%252fadmin',
    '/%2561dmin',
    '/admin%252fx',
    '/public/..%255cadmin',
    '/%25%32%66admin',
    '/%25252fadmin',
    '/%25252525252fadmin',
    '/public/%25%32%65%25%32%65/admin',
    '/admin%253bx',
    // A query or a fragment that is escaped.
    '/admin%3f',
    '/admin%3fx=y',
    '/admin%23x',
    '/admin%253fx',
    '/admin%3f/../public',
    // White space and dots around names.
    '/%20admin',
    '/admin%20',
    '/admin%09/x',
    '/admin%0a',
    '/admin%0d%0a',
    '/admin./x',
    '/admin...',
    '/.../admin',
    '/..%2e%2e%20/admin',
    '/admin%2e/x',
    '/admin%20./x',
    '/admin%252e',
    // Below the prefix that is taken off, the backend reads what is left.
    '/api/../admin',
    '/api//secret',
    '/api/./secret',
    '/api/x/../secret',
    '/api//x/secret',
    '/api/%2fx/secret',
    '/api/../secret',
    '/api/../api/secret',
    '/api/\\x/secret',
    '/api/;/secret',
    '/api;x/secret',
    // Bytes that are in no path, and escapes that are none.
    '/admin%00',
    '/public%00/../admin',
    '/%c0%afadmin',
    '/public/%c0%ae%c0%ae/admin',
    '/public/%e0%80%ae%e0%80%ae/admin',
    '/public/%f0%80%80%af',
    '/public/%u002e%u002e/admin',
    '/public/%',
    '/public/%2',
    '/public/%2g',
    '/public/%%32%65',
    '/public\t',
    '/pub\tlic',
    '/admin#x',
    '/public#/../admin',
    '/public/\u007f',
    '/public/\u0000',
  ]
  for (const path of paths) assert.equal(route(path), 'bad-path', JSON.stringify(path))
  assert.equal(new Set(paths).size, paths.length)
})

test('paths that lead to one route however they are read are forwarded', () => {
  const paths: [string, string][] = [
    ['/admin/a%2fb', '/admin'],
    ['/%61dmin', '/admin'],
    ['/%61%64%6d%69%6e/x', '/admin'],
    ['/admin//x', '/admin'],
    ['/admin/x/../y', '/admin'],
    ['/admin/../admin/x', '/admin'],
    ['/admin/open/%2e%2e/open/x', '/admin/open'],
    ['/admin/x;v=1/y', '/admin'],
    ['/admin/x\\y', '/admin'],
    ['/admin/100%25', '/admin'],
    ['/admin/100%25%20off', '/admin'],
    ['/admin/%3fa%23b', '/admin'],
    ['/admin?x=/../public', '/admin'],
    ['/admin/?%zz', '/admin'],
    ['/public?\\..//;%00', '/public'],
    ['/public/a%20b', '/public'],
    ['/public/%20', '/public'],
    ['/public/%C3%BC%FF', '/public'],
    ['/public/.well-known/...', '/public'],
    ['/public/v1.', '/public'],
    ['/.well-known/acme-challenge/x', ''],
    ['/x/..', ''],
    ['/a%2Fb', ''],
    ['//', ''],
    ['/administrator', ''],
    ['/ADMIN', ''],
    ['/x/admin', ''],
    ['/x/;/admin', ''],
    ['/api/a//b', '/api'],
    ['/api/secrets', '/api'],
    ['/api/https://x/secret', '/api'],
    ['/api/secret/a%2fb', '/api/secret'],
  ]
  for (const [path, expected] of paths) assert.equal(route(path), expected, path)
})

/** The longest prefix by segments. */
function prefixOf(path: string): string {
  return prefixes
    .filter((prefix) => `${path}/`.startsWith(`${prefix}/`))
    .reduce((a, b) => (b.length > a.length ? b : a))
}

function decode(path: string): string {
  return path.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
}

const withoutParameters = (path: string) => path.replace(/;[^/]*/g, '')
const forward = (path: string) => path.replaceAll('\\', '/')
const rooted = (path: string) => posix.normalize(`/${path}`)

/** How servers find the path of a target, each as one that is in use does it. */
const servers: Record<string, (path: string) => string> = {
  'decodes segments': (path) => path.split('/').map(decode).join('/'),
  'the URL standard': (path) => decode(new URL(path, 'http://server').pathname),
  'decodes, joins slashes, resolves dots': (path) => rooted(decode(path)),
  'takes off parameters first': (path) => rooted(forward(decode(withoutParameters(path)))),
  'takes off parameters last': (path) => withoutParameters(rooted(forward(decode(path)))),
  'resolves dots, then decodes': (path) => decode(rooted(path)),
  'resolves dots, decodes, resolves dots': (path) => rooted(decode(rooted(path))),
  'decodes twice': (path) => rooted(forward(decode(decode(path)))),
  'decodes only slashes': (path) => decode(rooted(path.replace(/%2f|%5c/gi, '/'))),
  'decodes, then splits off the query': (path) => rooted(decode(path).split(/[?#]/, 1)[0] as string),
  Windows: (path) => {
    const names = forward(win32.normalize(`C:${decode(path)}`))
      .slice(2)
      .split('/')
    return rooted(names.map((name) => (/^\.+$/.test(name) ? name : name.replace(/[ .]+$/, ''))).join('/'))
  },
  'trims names': (path) =>
    rooted(
      decode(path)
        .split('/')
        .map((name) => name.trim())
        .join('/'),
    ),
}

test('no server reads a path of another route in what is forwarded', () => {
  const piece = fc.constantFrom(
    ...['admin', 'open', 'public', 'api', 'secret', 'x', '%61dmin', 'ad%6Din', '%2561dmin'],
    ...['/', '/', '/', '/', '//', '\\', '%2f', '%2F', '%5c', '%252f', '%255c'],
    ...[
      '.',
      '..',
      '..',
      '%2e',
      '%2e%2e',
      '%252e%252e',
      ';',
      ';v=1',
      '%3b',
      '%3f',
      '%23',
      '%20',
      '%09',
      '%C3%BC',
      '%25',
    ],
  )
  let forwarded = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10, size: 'max' }), (pieces) => {
      const path = `/${pieces.join('')}`
      const taken = route(path)
      if (taken === 'bad-path') return
      forwarded++
      const removed = taken?.startsWith('/api') ? path.indexOf('/', 1) : 0
      const sent = removed === -1 ? '/' : path.slice(removed)
      for (const [name, read] of Object.entries(servers)) {
        let reading: string
        try {
          reading = read(sent)
        } catch {
          continue // The server refuses it.
        }
        assert.equal(prefixOf(removed === 0 ? reading : `/api${reading}`), taken, `${name}: ${path}`)
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 3_000) },
  )
  assert.ok(forwarded > 300, `${forwarded}`)
})

test('a long path that reads in many ways is refused without reading them all', () => {
  for (const part of ['%2e;\\/', '%20', '/..', '.', ';', '%25', '%2f..', '/%20x', '\\', '%2525'])
    assert.doesNotThrow(() => route(`/public/${part.repeat(16_384 / part.length)}x`))
})

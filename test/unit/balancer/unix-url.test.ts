import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOrigin } from '../../../src/balancer/backends/origin.js'
import { socketPathOf } from '../../../src/balancer/backends/unix-url.js'
import { BackendExistsError, Balancer, InvalidBackendError } from '../../../src/balancer/index.js'

const longest = `/${'a'.repeat(106)}`

test('the URL of a Unix socket has one spelling, and means one path', () => {
  for (const [text, url, path] of [
    ['unix:/run/app.sock', 'unix:/run/app.sock', '/run/app.sock'],
    ['UNIX:/run/App.sock', 'unix:/run/App.sock', '/run/App.sock'],
    ['unix:/run/app@1:a+b=c.sock', 'unix:/run/app@1:a+b=c.sock', '/run/app@1:a+b=c.sock'],
    ['unix:/a%20b%25', 'unix:/a%20b%25', '/a b%'],
    ['unix:/a%2Cb%3bc', 'unix:/a%2Cb%3Bc', '/a,b;c'],
    ['unix:/a,b;c', 'unix:/a%2Cb%3Bc', '/a,b;c'],
    ['unix:%2Frun/a', undefined, ''],
    ['unix:/run%2Fapp%2esock', 'unix:/run/app.sock', '/run/app.sock'],
    ['unix:/a%3Fb%23c%5Cd', 'unix:/a%3Fb%23c%5Cd', '/a?b#c\\d'],
    ['unix:/é', 'unix:/%C3%A9', '/é'],
    ['unix:/%C3%A9', 'unix:/%C3%A9', '/é'],
    ['unix:/...', 'unix:/...', '/...'],
    [`unix:${longest}`, `unix:${longest}`, longest],
    ['unix:@app', 'unix:@app', '\0app'],
    ['unix:%40app', undefined, ''],
    ['unix:@a/../b', 'unix:@a/../b', '\0a/../b'],
    [`unix:@${'a'.repeat(106)}`, `unix:@${'a'.repeat(106)}`, `\0${'a'.repeat(106)}`],
  ] as const) {
    if (url === undefined) {
      assert.throws(() => parseOrigin(text), InvalidBackendError, text)
      continue
    }
    const { origin, host } = parseOrigin(text)
    assert.deepEqual([origin, host, socketPathOf(origin)], [url, 'localhost', path])
    assert.equal(parseOrigin(origin).origin, origin)
  }
  assert.equal(socketPathOf('http://unix:80'), undefined)
})

test('what is not the plain absolute path of a socket is refused, and the message says why', () => {
  for (const [text, why] of [
    ['unix:', 'absolute path'],
    ['unix:app.sock', 'absolute path'],
    ['unix:./app.sock', 'absolute path'],
    ['unix://host/run/app.sock', 'one slash, and without a host'],
    ['unix:///run/app.sock', 'one slash'],
    ['unix:/run//app.sock', 'plain path'],
    ['unix:/run/./app.sock', 'plain path'],
    ['unix:/run/%2e%2e/app.sock', 'plain path'],
    ['unix:/run/', 'plain path'],
    ['unix:/', 'plain path'],
    ['unix:@', 'a name after unix:@'],
    ['unix:/a?b', '%3F'],
    ['unix:/a#b', '%23'],
    ['unix:/a b', '%20'],
    ['unix:/a\n', '%20'],
    ['unix:/a\\b', '%5C'],
    ['unix:/50%', '%25'],
    ['unix:/a%ff', 'UTF-8'],
    ['unix:/a\ud800', 'UTF-8'],
    ['unix:/a%00b', 'control characters'],
    ['unix:/a\u001b', 'control characters'],
    [`unix:${longest}b`, 'has a path of 108 bytes, and a Unix socket has at most 107'],
    [`unix:/${'é'.repeat(54)}`, 'has a path of 109 bytes'],
    [`unix:@${'a'.repeat(107)}`, 'has a path of 108 bytes'],
  ] as const) {
    assert.throws(
      () => parseOrigin(text),
      (error) => error instanceof InvalidBackendError && error.field === 'url' && error.message.includes(why),
      `${text}: ${why}`,
    )
  }
})

test('a Unix socket is registered once, with an id made from its path', () => {
  const { registry } = new Balancer({ backends: ['unix:/run/app/web@1.sock', 'unix:@jobs'] })
  for (const path of [`/${'deep/'.repeat(15)}a.sock`, '/é', '/%C3%A8', '/.a'])
    registry.add({ url: `unix:${path}` })
  assert.deepEqual(
    registry.list().map(({ id }) => id),
    ['run-app-web-1.sock', 'jobs', `${'deep-'.repeat(10)}a.sock`.slice(-56), 'unix', 'unix-2', '.a'],
  )
  assert.throws(() => registry.add({ url: 'UNIX:/run/app/web%401.sock', id: 'b' }), BackendExistsError)
})

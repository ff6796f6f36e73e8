import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering } from '../support/backend.js'
import { accessibilityFaults, desk, noBrowser, openPage, phone } from '../support/browser.js'
import { startGateway } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'

test('the dashboard shows the gateways and the store, and in words that a change was refused', {
  skip: noBrowser || withoutRedis,
}, async (t) => {
  const store = await RedisServer.start(t)
  const backend = await answering()
  t.after(() => backend.close())
  const [one, other] = await Promise.all(
    ['edge-1', 'edge-2'].map((id) =>
      startGateway({ BACKENDS: `${backend.url};id=a`, STORE: store.url, GATEWAY_ID: id }),
    ),
  )
  assert.ok(one && other)
  const { page, expected } = await openPage(t, one.admin, { bypassCSP: true })
  // After the page, which is connected to the first.
  for (const gateway of [one, other]) t.after(() => gateway.stop('SIGKILL'))
  expected.push(/status of 503/)
  const has = (selector: string, text: RegExp | string) =>
    page.locator(selector).filter({ hasText: text }).first().waitFor()
  await has('#fleet', `2 gateways share ${store.url}`)
  await has('#fleet li', 'edge-1 (this one) 0 in flight')
  await has('#fleet li', 'edge-2 0 in flight')
  await has('#rows', '0 elsewhere')
  for (const [name, size] of Object.entries({ desk, phone })) {
    await page.setViewportSize(size)
    assert.deepEqual(await accessibilityFaults(page), [], name)
    const width = await page.evaluate('document.documentElement.scrollWidth')
    assert.ok((width as number) <= size.width, `${name} is ${width} wide`)
  }
  await page.setViewportSize(desk)
  await store.kill()
  await has('#pool-status', `${store.url} has not answered for`)
  await has('#events', 'The store does not answer: changes are refused')
  await page.getByRole('button', { name: 'Drain a', exact: true }).click()
  await page.getByLabel('Type a to go on').fill('a')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click()
  await has('#dialog-error', /nothing was changed/)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await store.start()
  await has('#events', 'The store answers again')
  await has('#pool-status', 'The one backend takes requests.')
  // Only who has the store again can say that it ends.
  await other.line(({ event }) => event === 'store back')
  await has('#fleet li', 'edge-2')
  await other.stop()
  await has('#events', 'Gateway edge-2 has ended')
  await has('#fleet', 'No other gateway shares')
})

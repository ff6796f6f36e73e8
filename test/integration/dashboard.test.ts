import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import type { Page } from 'playwright-core'
import leastwise from '../../src/index.js'
import { answering } from '../support/backend.js'
import { accessibilityFaults, desk, noBrowser, openPage, phone } from '../support/browser.js'
import { callJson, load } from '../support/client.js'
import { freePort, startGateway } from '../support/process.js'

const backends = noBrowser ? [] : await Promise.all([answering(25), answering(25), answering(25)])
const open: { close(): Promise<unknown> }[] = [...backends]
// After the pages that are connected to them.
after(() => Promise.all(open.map((thing) => thing.close())))
const [first, second, third] = backends.map(({ url }) => url) as [string, string, string]

const options = { skip: noBrowser }

async function started(env: Record<string, string> = {}) {
  const gateway = await startGateway({ BACKENDS: `${first};id=a,${second};id=b`, SLOW_START: '0', ...env })
  open.push({ close: () => gateway.stop('SIGKILL') })
  return gateway
}

const row = (page: Page, id: string) =>
  page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: id }) })
const cell = (page: Page, id: string, label: string) => row(page, id).locator(`[data-label="${label}"]`)
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const dialog = (page: Page) => page.getByRole('dialog')
const has = (page: Page, selector: string, text: RegExp | string) =>
  page.locator(selector).filter({ hasText: text }).waitFor()
const live = (page: Page) => has(page, '#connection', /^live$/)

test('figures move with the traffic, in the table, in the overview and in the charts', options, async (t) => {
  const gateway = await started()
  const { page } = await openPage(t, gateway.admin)
  await live(page)
  await has(page, '#pool-status', 'All 2 backends take requests.')
  const stop = new AbortController()
  const traffic = load(gateway.url, { concurrency: 4, stop: stop.signal })
  await has(page, '#figure-requests', /^[1-9]/)
  await has(page, '#chart-rate figcaption', /requests [1-9]/)
  await has(page, '#chart-latency figcaption', /p50, mean [1-9]/)
  for (const id of ['a', 'b']) {
    await cell(page, id, 'Share')
      .filter({ hasText: /[45]\d %/ })
      .waitFor()
    await cell(page, id, 'Req/s')
      .filter({ hasText: /^[1-9]/ })
      .waitFor()
    await cell(page, id, 'p99 ms')
      .filter({ hasText: /^[1-9]/ })
      .waitFor()
  }
  stop.abort()
  await traffic
  await has(page, '#figure-in-flight', /^0$/)
})

test('clients that get 503 are seen at once, though no backend has a request', options, async (t) => {
  const gateway = await started()
  for (const id of ['a', 'b']) await callJson('POST', `${gateway.admin}/backends/${id}/drain`)
  const { page } = await openPage(t, gateway.admin)
  await live(page)
  await has(page, '#pool-status-first', 'No usable backend: requests are answered 503.')
  const stop = new AbortController()
  const traffic = load(gateway.url, { concurrency: 2, stop: stop.signal })
  await has(page, '#pool-status-first', /^[1-9][\d.,]* clients a second get 503 now: no backend is usable\.$/)
  await has(page, '#figure-refused', /^[1-9]/)
  await has(page, '#figure-requests', /^0$/)
  stop.abort()
  await traffic
})

test('a backend is registered, changed, drained, activated and removed by clicks', options, async (t) => {
  const gateway = await started()
  const { page, expected } = await openPage(t, gateway.admin)
  expected.push(/status of 409/, /status of 400/)
  await live(page)

  await button(page, 'Register a backend').click()
  await dialog(page).getByLabel('URL').fill(first)
  await dialog(page).getByLabel('Id').fill('c')
  await button(page, 'Register').click()
  await has(page, '#dialog-error', /exists|registered/)
  await dialog(page).getByLabel('URL').fill(`${third}/path`)
  await button(page, 'Register').click()
  await has(page, '#dialog-error', /must not have a path/)
  await dialog(page).getByLabel('URL').fill(third)
  await button(page, 'Register').click()
  await row(page, 'c').waitFor()
  await has(page, '#events', `c registered: ${third}`)

  await button(page, 'Edit c').click()
  await dialog(page).getByLabel('Weight').fill('7')
  await dialog(page).getByLabel('Limit').fill('40')
  await button(page, 'Change').click()
  await cell(page, 'c', 'Weight').filter({ hasText: /^7$/ }).waitFor()
  await cell(page, 'c', 'Limit').filter({ hasText: /^40$/ }).waitFor()

  await button(page, 'Drain c').click()
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'hidden' })
  assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Drain c', 'the focus is back')
  assert.equal((await callJson('GET', `${gateway.admin}/backends/c`)).json.state, 'active')
  await button(page, 'Drain c').click()
  await button(page, 'Drain').click()
  await row(page, 'c').filter({ hasText: 'draining' }).waitFor()
  await has(page, '#pool-status', '1 of 3 backends drains: c.')
  await button(page, 'Activate c').click()
  await button(page, 'Activate').click()
  await row(page, 'c').filter({ hasText: 'in use' }).waitFor()

  await button(page, 'Remove c').click()
  await dialog(page).getByLabel('Cut them now').check()
  await button(page, 'Remove').click()
  await row(page, 'c').waitFor({ state: 'detached' })
  assert.deepEqual(
    (await callJson('GET', `${gateway.admin}/backends`)).json.backends.map(({ id }: { id: string }) => id),
    ['a', 'b'],
  )
  assert.deepEqual((await page.locator('#events li span').allTextContents()).reverse(), [
    `c registered: ${third}`,
    'c changed: weight 7, limit 40',
    'c drains',
    'c is drained and can be stopped',
    'c is active again',
    'c removed',
  ])
})

test('the last usable backend is drained and removed only by whoever types its name', options, async (t) => {
  const gateway = await started()
  const { page } = await openPage(t, gateway.admin)
  await live(page)
  const state = async (id: string) => (await callJson('GET', `${gateway.admin}/backends/${id}`)).json.state
  await button(page, 'Drain a').click()
  assert.equal(await dialog(page).locator('#dialog-warning').textContent(), '')
  // The other one goes while the dialog is open: it asks again.
  await callJson('POST', `${gateway.admin}/backends/b/drain`)
  await has(page, '#events', 'b drains')
  await button(page, 'Drain').click()
  await has(page, '#dialog-warning', 'a is the last usable backend. Without it clients are answered 503.')
  await button(page, 'Drain').click()
  assert.equal(await state('a'), 'active', 'a click is not enough')
  await dialog(page).getByLabel('Type a to go on').fill('b')
  await button(page, 'Drain').click()
  await has(page, '#dialog-error', 'That is not a.')
  assert.equal(await state('a'), 'active')
  await page.keyboard.press('Escape')

  await button(page, 'Remove a').click()
  await has(page, '#dialog-warning', 'a is the last usable backend.')
  await dialog(page).getByLabel('Cut them now').check()
  await button(page, 'Remove').click()
  assert.equal(await state('a'), 'active')
  await dialog(page).getByLabel('Type a to go on').fill('a')
  await button(page, 'Remove').click()
  await row(page, 'a').waitFor({ state: 'detached' })
  // It gets no request as it is, so nobody is asked more than once.
  await button(page, 'Remove b').click()
  assert.equal(await dialog(page).locator('#dialog-warning').textContent(), '')
  await button(page, 'Remove').click()
  await row(page, 'b').waitFor({ state: 'detached' })
})

test('the policy is switched with the keyboard alone', options, async (t) => {
  const gateway = await started()
  const { page } = await openPage(t, gateway.admin)
  await live(page)
  const focused = () => page.evaluate('document.activeElement.textContent') as Promise<string>
  await page.keyboard.press('Tab')
  assert.equal(await focused(), 'Skip to the backends')
  await page.keyboard.press('Tab')
  assert.equal(await focused(), 'Switch')
  await page.keyboard.press('Enter')
  await dialog(page).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await has(page, '#policy', 'least-response-time')
  await has(page, '#events', 'The policy is least-response-time')
  await dialog(page).waitFor({ state: 'hidden' })
  assert.equal(await focused(), 'Switch')
})

test('a token is asked for, refused and taken, and kept for the tab', options, async (t) => {
  const gateway = await started({ ADMIN_TOKEN: 'secret' })
  const { page, expected } = await openPage(t, gateway.admin)
  expected.push(/status of 401/)
  await dialog(page).getByLabel('Token').fill('secre')
  await button(page, 'Unlock').click()
  await has(page, '#dialog-error', 'That is not the token of this gateway.')
  await dialog(page).getByLabel('Token').fill('secret')
  await button(page, 'Unlock').click()
  await live(page)
  await row(page, 'a').waitFor()
  await page.reload()
  await live(page)
  assert.ok(!page.url().includes('secret'))
})

test('a lost connection is told, and found again', options, async (t) => {
  const env = { ADMIN_PORT: String(await freePort()) }
  const gateway = await started(env)
  const { page, expected } = await openPage(t, gateway.admin)
  expected.push(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED/)
  await live(page)
  await gateway.stop()
  await has(page, '#lost', /Connection lost\..* Figures are from \d\d:\d\d:\d\d\..*Next try in/)
  assert.equal(await page.locator('body').getAttribute('data-connection'), 'lost')
  await started({ ...env, BACKENDS: `${third};id=other` })
  // Not a click of the mouse, for which it must still be seen: the page tries by itself, too.
  await page.locator('#retry').dispatchEvent('click')
  await live(page)
  await page.locator('#lost').waitFor({ state: 'hidden' })
  await row(page, 'other').waitFor()
  assert.equal(await row(page, 'a').count(), 0)
})

test('in a host app it stands under the prefix of the admin API', options, async (t) => {
  const app = Fastify({ forceCloseConnections: true })
  open.push(app)
  app.get('/', async () => 'of the app')
  await app.register(leastwise, {
    prefix: '/api',
    backends: [first],
    admin: { prefix: '/ops/admin', token: 'secret' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { page, expected } = await openPage(t, `${url}/ops/admin`)
  expected.push(/status of 401/)
  assert.equal(page.url(), `${url}/ops/admin/`)
  await dialog(page).getByLabel('Token').fill('secret')
  await button(page, 'Unlock').click()
  await live(page)
  await button(page, 'Register a backend').click()
  await dialog(page).getByLabel('URL').fill(second)
  await dialog(page).getByLabel('Id').fill('b')
  await button(page, 'Register').click()
  await row(page, 'b').waitFor()
  assert.equal(app.balancer.registry.get('b').url, second)
})

test('accessible on a large screen and on a phone, light and dark, and never wider', options, async (t) => {
  const gateway = await started()
  await callJson('POST', `${gateway.admin}/backends`, { url: 'http://127.0.0.1:9', id: 'c' })
  await callJson('POST', `${gateway.admin}/backends/c/drain`)
  const { page } = await openPage(t, gateway.admin, { bypassCSP: true })
  await live(page)
  await has(page, '#pool-status', 'c.')
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  for (const [viewport, colorScheme, question] of [
    [desk, 'light', false],
    [desk, 'dark', false],
    [phone, 'light', false],
    [phone, 'dark', true],
  ] as const) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    assert.equal(await page.evaluate(overflow), 0)
    if (question) await button(page, 'Remove a').click()
    assert.deepEqual(await accessibilityFaults(page), [])
  }
})

test('an empty pool says how to fill it', options, async (t) => {
  const gateway = await started({ BACKENDS: '' })
  const { page } = await openPage(t, gateway.admin)
  await has(page, '#pool-status', 'There is no backend: requests are answered 503.')
  await has(page, '#empty', `curl -H content-type:application/json`)
  await has(page, '#empty', `${gateway.admin}/backends`)
})

test('a thousand backends are filtered and sorted', options, async (t) => {
  const list = Array.from(
    { length: 1000 },
    (_, i) => `http://10.0.${i >> 8}.${i & 255}:80;id=b${i};weight=${i + 1}`,
  )
  const gateway = await started({ BACKENDS: list.join() })
  const { page } = await openPage(t, gateway.admin)
  await has(page, '#shown', /^1,000$/)
  await button(page, 'Weight').click()
  await page.locator('tbody tr').first().filter({ hasText: 'b999' }).waitFor()
  await page.getByRole('searchbox').fill('b77')
  await has(page, '#shown', '11 of 1,000')
  await page.getByLabel('Only in trouble').check()
  await has(page, '#shown', '0 of 1,000')
  await page.getByText('No backend matches.').waitFor()
})

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import type { Page } from 'playwright-core'
import { adminRoutes } from '../../routes/admin.js'
import { mistakeExample } from '../../src/admin/contract/config.js'
import { Balancer } from '../../src/balancer/balancer.js'
import { accessibilityFaults, desk, noBrowser, openPage } from '../support/browser.js'
import { ScriptedControl } from '../support/gateway-control.js'

const open: { close(): Promise<unknown> }[] = []
// After the pages that are connected to them.
after(() => Promise.all(open.map((thing) => thing.close())))

const options = { skip: noBrowser }
const narrow = { width: 390, height: 844 }

const pool = (...ids: string[]) =>
  new Balancer({ backends: ids.map((id) => ({ url: `http://${id}:1`, id })), slowStart: 0 })

/** A gateway with the pools `users` and `next/2`, and with the routes `users`, `split` and `old`. */
async function started(token?: string) {
  const control = new ScriptedControl()
  const [users] = control.list
  assert.ok(users)
  const none = { allow: null, deny: [], rateLimit: null, auth: null, cors: null, compress: false }
  control.list.push(
    {
      ...users,
      name: 'split',
      match: { host: null, path: '/search', methods: null, headers: { 'x-version': '2' }, query: {} },
      pools: [
        { pool: 'users', weight: 9 },
        { pool: 'next/2', weight: 1 },
      ],
      mirror: { pool: 'next/2', percent: 5 },
      plugins: { ...none, allow: ['10.0.0.0/8'], compress: true },
      requests: { total: 0, ok: 0, failed: 0, refused: 0, cancelled: 0 },
      refused: {},
      latency: { mean: null, p50: null, p99: null },
    },
    {
      ...users,
      name: 'old',
      pools: [],
      redirect: { status: 308, to: 'https://api.example.com' },
      plugins: none,
    },
  )
  const pools = new Map([
    ['users', pool('a', 'b')],
    ['next/2', pool('c')],
  ])
  const app = Fastify({ forceCloseConnections: true })
  open.push(app)
  await app.register(adminRoutes, { pools, token, control })
  return { control, pools, url: await app.listen({ port: 0, host: '127.0.0.1' }) }
}

const has = (page: Page, selector: string, text: RegExp | string) =>
  page.locator(selector).filter({ hasText: text }).waitFor()
const live = (page: Page) => has(page, '#connection', /^live$/)
const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true })
const rowOf = (page: Page, table: string, name: string) =>
  page.locator(`#${table} tbody tr`).filter({ has: page.locator('th', { hasText: name }) })
const hash = (page: Page) => new URL(page.url()).hash

test('all pools and routes are on one page, and each has a page of its own', options, async (t) => {
  const { control, pools, url } = await started()
  pools.get('next/2')?.registry.drain('c')
  const { page } = await openPage(t, url)
  await live(page)
  await has(page, '#pool-status', 'No usable backend in next/2: requests there are answered 503.')
  assert.match(await page.title(), /^✕ leastwise 127/)
  await rowOf(page, 'pools-table', 'users').filter({ hasText: '2 of 2' }).waitFor()
  await rowOf(page, 'routes-table', 'split').filter({ hasText: '/search · x-version: 2' }).waitFor()
  await rowOf(page, 'routes-table', 'old').filter({ hasText: '308 https://api.example.com' }).waitFor()
  assert.equal(await page.locator('#backends, #charts, #route').filter({ visible: true }).count(), 0)

  await rowOf(page, 'routes-table', 'split').getByRole('link', { name: 'next/2 10 %', exact: true }).click()
  await live(page)
  assert.equal(hash(page), '#/pools/next%2F2')
  await has(page, '#pool-status', 'No usable backend: requests are answered 503.')
  assert.match(await page.title(), /^✕ next\/2 · leastwise 127/)
  await page.getByRole('button', { name: 'Activate c', exact: true }).click()
  await page.getByRole('button', { name: 'Activate', exact: true }).click()
  await has(page, '#pool-status', 'The one backend takes requests.')
  await has(page, '#events', 'c is active again')
  assert.equal(pools.get('next/2')?.registry.get('c').state, 'active')

  await link(page, 'Overview').click()
  await has(page, '#pool-status', 'All 2 pools take requests.')
  await link(page, 'split').click()
  await live(page)
  await has(page, '#route-match', 'Header x-version2')
  await has(page, '#route-goal', '90 %users')
  await has(page, '#route-goal', 'Mirror 5 %next/2')
  await has(page, '#route-plugins', 'allow10.0.0.0/8')
  const { requests } = control.list[1] as (typeof control.list)[0]
  await has(page, '#route-total', /^0$/)
  Object.assign(requests, { total: 50, ok: 40, failed: 10 })
  await has(page, '#route-total', /^50$/)
  await has(page, '#route-requests', /^[1-9]/)
  await has(page, '#pool-status', '20 % of requests fail at a backend.')
  await has(page, '#route-refused', 'failed10')
})

test('links lead there, back leads back, and one pool shows nothing of another', options, async (t) => {
  const { pools, url } = await started()
  const { page } = await openPage(t, `${url}/#/pools/users`)
  await live(page)
  await page.getByRole('row').filter({ hasText: 'http://a:1' }).waitFor()
  pools.get('users')?.registry.drain('a')
  await has(page, '#events', 'a drains')
  await page.goto(`${url}/#/pools/next%2F2`)
  await page.getByRole('row').filter({ hasText: 'http://c:1' }).waitFor()
  assert.equal(await page.getByRole('row').filter({ hasText: 'http://a:1' }).count(), 0)
  assert.equal(await page.locator('#events li').count(), 0)
  await has(page, '#nav-name', 'next/2')
  await page.goto(`${url}/#/routes/old`)
  await has(page, '#route-goal', 'Redirect 308https://api.example.com')
  await page.goBack()
  await page.getByRole('row').filter({ hasText: 'http://c:1' }).waitFor()
  await page.goBack()
  await page.getByRole('row').filter({ hasText: 'http://a:1' }).filter({ hasText: 'draining' }).waitFor()
  await has(page, '#events', 'a drains')
  // The link that skips to the backends is no link to another page.
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate('document.activeElement.id'), 'backends')
  assert.equal(hash(page), '#/pools/users')
})

test(
  'a reload is an event of the pool; what is new is there, and what is gone is said to be',
  options,
  async (t) => {
    const { control, pools, url } = await started()
    const { page, expected } = await openPage(t, `${url}/#/pools/next%2F2`)
    expected.push(/status of 404/)
    await live(page)
    await page.getByRole('row').filter({ hasText: 'http://c:1' }).waitFor()
    control.mistakes = [mistakeExample]
    await assert.rejects(control.reload())
    await has(page, '#events', 'The file was not loaded: it has 1 mistake')
    control.mistakes = []
    await control.reload()
    await has(page, '#events', 'The file was loaded: pool orders added')
    pools.delete('next/2')
    await control.reload()
    await page.locator('#retry').dispatchEvent('click')
    await has(page, '#lost-reason', 'there is no pool "next/2"')
    await link(page, 'Overview').click()
    await live(page)
    await page.locator('#lost').waitFor({ state: 'hidden' })
    // Without routes, the only pool is all there is.
    control.list = []
    await has(page, '#pool-status', 'All 2 backends take requests.')
    await page.locator('nav').waitFor({ state: 'hidden' })
  },
)

test('thousands of routes are filtered, and the first of them shown', options, async (t) => {
  const { control, url } = await started()
  const [route] = control.list
  assert.ok(route)
  control.list = Array.from({ length: 3000 }, (_, i) => ({ ...route, name: `r${i}` }))
  const { page } = await openPage(t, url)
  await has(page, '#routes-shown', /^3,000$/)
  await has(page, '#routes-missing', '2,700 more are not shown: filter them.')
  await page.getByLabel('Filter').filter({ visible: true }).fill('r299')
  await has(page, '#routes-shown', '11 of 3,000')
  await link(page, 'r2999').waitFor()
  await page.getByLabel('Filter').filter({ visible: true }).fill('nothing')
  await page.getByText('No route matches.').waitFor()
})

test('a token is asked for on the page of a route, too', options, async (t) => {
  const { url } = await started('secret')
  const { page, expected } = await openPage(t, `${url}/#/routes/old`)
  expected.push(/status of 401/)
  await page.getByRole('dialog').getByLabel('Token').fill('secret')
  await page.getByRole('button', { name: 'Unlock', exact: true }).click()
  await live(page)
  await has(page, '#route-goal', 'Redirect 308')
})

test('an API of several pools under a prefix has their pages, and no routes', options, async (t) => {
  const app = Fastify({ forceCloseConnections: true })
  open.push(app)
  const pools = new Map([
    ['a', pool('a')],
    ['b', pool('b', 'c')],
  ])
  await app.register(adminRoutes, { pools, token: undefined, prefix: '/ops' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { page } = await openPage(t, `${url}/ops`)
  await has(page, '#pool-status', 'All 2 pools take requests.')
  await page.locator('#routes').waitFor({ state: 'hidden' })
  await link(page, 'b').click()
  await has(page, '#pool-status', 'All 2 backends take requests.')
  assert.equal(page.url(), `${url}/ops/#/pools/b`)
})

test('every page is accessible, light and dark, and no wider than a phone', options, async (t) => {
  const { url } = await started()
  const { page } = await openPage(t, url, { bypassCSP: true })
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  for (const [view, fragment, shown] of [
    ['overview', '#/', '#routes-table'],
    ['pool', '#/pools/users', '#table'],
    ['route', '#/routes/split', '#route-goal'],
  ] as const) {
    await page.goto(`${url}/${fragment}`)
    await page.locator(shown).waitFor()
    await live(page)
    const others = page.locator(`main > section:not([data-in~="${view}"])`).filter({ visible: true })
    assert.equal(await others.count(), 0, fragment)
    for (const [viewport, colorScheme] of [
      [desk, 'light'],
      [narrow, 'dark'],
    ] as const) {
      await page.setViewportSize(viewport)
      await page.emulateMedia({ colorScheme })
      assert.equal(await page.evaluate(overflow), 0, fragment)
      assert.deepEqual(await accessibilityFaults(page), [], fragment)
    }
  }
})

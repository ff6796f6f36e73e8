import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { findChromium, launchChromium } from './chromium.js'
import { Stage } from './stage.js'

const usage = `npm run screenshot -- [--all FOLDER] [--help]

Starts a gateway under load and takes a picture of its dashboard: docs/dashboard.png.
It needs Chromium: in PATH, or named by CHROMIUM_PATH.

  --all FOLDER  also pictures of other conditions, on a large screen and on a phone,
                light and dark
  --help        this text
`

const views = {
  'desk-light': { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  'desk-dark': { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  'tablet-light': { viewport: { width: 900, height: 1100 }, colorScheme: 'light' },
  'phone-light': { viewport: { width: 375, height: 812 }, colorScheme: 'light' },
  'phone-dark': { viewport: { width: 375, height: 812 }, colorScheme: 'dark' },
} as const

const picture = fileURLToPath(new URL('../../../docs/dashboard.png', import.meta.url))

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { all: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help) return void console.log(usage)
  const path = findChromium()
  if (path === undefined) throw new Error('there is no Chromium; install it, or set CHROMIUM_PATH')
  const browser = await launchChromium(path)
  try {
    await underLoad(browser, values.all)
    if (values.all !== undefined) await otherConditions(browser, values.all)
  } finally {
    await browser.close()
  }
}

/** A page at this address for each view, or for the first only. */
async function open(browser: Browser, url: string, all: boolean): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>()
  for (const [name, view] of Object.entries(views).slice(0, all ? undefined : 1)) {
    const page = await browser.newPage(view)
    await page.goto(url)
    pages.set(name, page)
  }
  return pages
}

async function shoot(pages: Map<string, Page>, folder: string, condition: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const [name, page] of pages) {
    const fullPage = name.startsWith('phone')
    await page.screenshot({ path: join(folder, `${condition}-${name}.png`), fullPage })
  }
}

async function underLoad(browser: Browser, folder: string | undefined): Promise<void> {
  const stage = await new Stage(['api-1', 'api-2', 'api-3', 'api-4', 'api-5', 'api-6']).open()
  try {
    stage.serve(160)
    const pages = await open(browser, stage.admin, folder !== undefined)
    const [, , third, fourth] = stage.backends
    const seconds = async (count: number) => {
      for (let i = 0; i < count; i++) await sleep(1000)
    }
    await stage.call('PATCH', 'backends/api-1', { weight: 2 })
    await seconds(25)
    if (folder !== undefined) await shoot(pages, folder, 'healthy')
    if (third) third.slowness = 6
    await seconds(20)
    if (fourth) fourth.failing = 500
    await seconds(15)
    if (third) third.slowness = 1
    await stage.call('POST', 'backends/api-6/drain')
    await seconds(20)
    const page = pages.get('desk-light') as Page
    mkdirSync(dirname(picture), { recursive: true })
    await page.screenshot({ path: picture })
    if (folder === undefined) return
    await shoot(pages, folder, 'trouble')
    for (const page of pages.values()) await page.getByRole('button', { name: 'Remove api-2' }).click()
    await shoot(pages, folder, 'remove')
    for (const page of pages.values()) await page.keyboard.press('Escape')
    await stage.gateway.stop()
    await seconds(3)
    await shoot(pages, folder, 'lost')
  } finally {
    await stage.close()
  }
}

async function otherConditions(browser: Browser, folder: string): Promise<void> {
  const conditions: [name: string, ids: string[], env: Record<string, string>, rate: number][] = [
    ['queue', ['a', 'b'], { MAX_CONNECTIONS: '2' }, 330],
    ['empty', [], {}, 0],
    ['token', ['a', 'b'], { ADMIN_TOKEN: 'secret' }, 0],
  ]
  for (const [name, ids, env, rate] of conditions) {
    const stage = await new Stage(ids).open(env)
    try {
      if (rate > 0) stage.serve(rate)
      const pages = await open(browser, stage.admin, true)
      await sleep(6000)
      await shoot(pages, folder, name)
    } finally {
      await stage.close()
    }
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(`screenshot: ${(error as Error).message}`)
    process.exit(1)
  },
)

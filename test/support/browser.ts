import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, type TestContext } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { findChromium, launchChromium } from '../../bench/screenshot/chromium.js'

const path = findChromium()

/** What a test that needs a browser is skipped for; false where there is one. */
export const noBrowser = path === undefined && 'no Chromium in PATH; install it, or set CHROMIUM_PATH'

let browser: Promise<Browser> | undefined
after(async () => (await browser)?.close())

/** The one browser of this file. */
export function launchBrowser(): Promise<Browser> {
  browser ??= launchChromium(path as string)
  return browser
}

export const desk = { width: 1280, height: 800 }
export const phone = { width: 375, height: 812 }

interface Opened {
  page: Page
  /** Refusals that the test provokes; the browser writes them to its console. */
  expected: RegExp[]
}

/**
 * Opens a page in the one browser of this file. A test fails if anything goes wrong in it that nobody expects, if it
 * breaks its own policy, or asks anybody but the gateway for anything.
 */
export async function openPage(
  t: TestContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const context = await (await launchBrowser()).newContext({ viewport: desk, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const complaints: string[] = []
  const expected: RegExp[] = []
  const { origin } = new URL(url)
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`a request to ${request.url()}`)
  })
  t.after(async () => {
    await context.close()
    const unexpected = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)))
    assert.deepEqual(unexpected, [])
  })
  await page.goto(url)
  return { page, expected }
}

const axe = createRequire(import.meta.url).resolve('axe-core')

/** What an accessibility check finds wrong with a page, which has to be opened with `bypassCSP`. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axe })
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: it brings no types for a page
    const { violations } = await (globalThis as any).axe.run()
    return violations.map(
      ({ id, nodes }: { id: string; nodes: { html: string }[] }) => `${id}: ${nodes[0]?.html}`,
    )
  })
}

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname } from 'node:path'

/** One of the files of which the page consists. */
export interface Asset {
  type: string
  etag: string
  content: Buffer
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const { resolve } = createRequire(import.meta.url)
/** Folders of the compiled scripts, beside this file, and of the other files of the page, which are not compiled. */
const scriptFolder = new URL('./page/', import.meta.url)
const sourceFolder = new URL('../../../src/dashboard/page/', import.meta.url)

const BODY = '<body '
const POLICY_LIST = '<datalist id="policies"></datalist>'

/**
 * Reads the page and its other files, by name. There are only a few files, and each is read once.
 * @param policyOptions `<option>` elements for the policies that the page offers
 * @param hasRoutes whether the admin API has calls about the routes of a gateway
 */
export function readAssets(
  policyOptions: string,
  hasRoutes: boolean,
): { page: Asset; assets: Map<string, Asset> } {
  const assets = new Map<string, Asset>()
  for (const [folder, wanted] of [
    [sourceFolder, /\.(css|svg)$/],
    [scriptFolder, /\.js$/],
  ] as const) {
    for (const name of readdirSync(folder)) {
      if (wanted.test(name)) assets.set(name, read(new URL(name, folder)))
    }
  }
  assets.set('uplot.js', read(resolve('uplot/dist/uPlot.iife.min.js')))
  assets.set('uplot.css', read(resolve('uplot/dist/uPlot.min.css')))
  const html = readFileSync(new URL('index.html', sourceFolder), 'utf8')
    .replace(POLICY_LIST, () => POLICY_LIST.replace('><', `>${policyOptions}<`))
    .replace(BODY, hasRoutes ? `${BODY}data-routes ` : BODY)
  return { page: asset('.html', Buffer.from(html)), assets }
}

function read(file: URL | string): Asset {
  return asset(extname(String(file)), readFileSync(file))
}

function asset(extension: string, content: Buffer): Asset {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
  return { type: types[extension] as string, etag, content }
}

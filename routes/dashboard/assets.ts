import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname } from 'node:path'

/** A file that the page consists of. */
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
/** Where the compiled scripts are, beside this file, and where the rest of the page is, which needs no compiler. */
const compiled = new URL('./page/', import.meta.url)
const written = new URL('../../../routes/dashboard/page/', import.meta.url)

/** The files of the dashboard by name, read once. A handful, and never what a request names. */
export function readAssets(): Map<string, Asset> {
  const assets = new Map<string, Asset>()
  const add = (name: string, file: URL | string) => {
    const content = readFileSync(file)
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
    assets.set(name, { type: types[extname(name)] as string, etag, content })
  }
  for (const name of ['index.html', 'style.css', 'icon.svg']) add(name, new URL(name, written))
  for (const name of readdirSync(compiled)) if (name.endsWith('.js')) add(name, new URL(name, compiled))
  add('uplot.js', resolve('uplot/dist/uPlot.iife.min.js'))
  add('uplot.css', resolve('uplot/dist/uPlot.min.css'))
  return assets
}

import type { ConfigView } from '../config/file/config-view.js'
import type { ConfigDifference } from '../config/file/differences.js'

const signs = { added: '+', changed: '~', removed: '-' }

/** Longest value in a line, in characters. */
const MAX_VALUE_LENGTH = 60

/** Lines for people: what another configuration adds, changes and removes, and what of it is changed how. */
export function diffLines(
  changes: readonly ConfigDifference[],
  before: ConfigView,
  after: ConfigView,
): string[] {
  return changes.flatMap((change) => {
    const { kind, what, name, fields = [] } = change
    const old = partOf(before, change)
    const young = partOf(after, change)
    const below = fields.flatMap((field) =>
      what === 'pool' && field === 'backends'
        ? backendLines(listOf(old?.[field]), listOf(young?.[field]))
        : [`    ${field}: ${valueText(old?.[field])} -> ${valueText(young?.[field])}`],
    )
    // A setting may be one value.
    const values = kind === 'changed' && change.fields === undefined
    const how = values ? `: ${valueText(old)} -> ${valueText(young)}` : ''
    return [`${signs[kind]} ${what} ${name}${how}`, ...below]
  })
}

type Part = Readonly<Record<string, unknown>> | undefined

function partOf({ pools, routes = [], ...settings }: ConfigView, { what, name }: ConfigDifference): Part {
  if (what === 'pool') return pools[name]
  if (what === 'route') return routes.find((route) => route.name === name)
  return what === 'setting' ? ((settings as Record<string, unknown>)[name] as Part) : undefined
}

function backendLines(before: readonly unknown[], after: readonly unknown[]): string[] {
  const old = new Map(before.map((backend) => [urlOf(backend), valueText(backend)]))
  const young = new Map(after.map((backend) => [urlOf(backend), valueText(backend)]))
  const lines: string[] = []
  for (const [url, text] of young) {
    if (!old.has(url)) lines.push(`    + backend ${text}`)
    else if (old.get(url) !== text) lines.push(`    ~ backend ${old.get(url)} -> ${text}`)
  }
  for (const [url, text] of old) if (!young.has(url)) lines.push(`    - backend ${text}`)
  return lines
}

function urlOf(backend: unknown): string {
  return typeof backend === 'string' ? backend : String((backend as { url?: unknown } | null)?.url)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function valueText(value: unknown): string {
  if (value === undefined) return 'none'
  const text = typeof value === 'string' && value !== '' ? value : (JSON.stringify(value) ?? 'none')
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text
}

import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import type { BackendView } from '../../balancer/index.js'
import { BackendRow, type RowData } from './backend-row.js'
import { backendStatusOf, isOutOfUse } from './backend-status.js'
import { byId, setText } from './element.js'
import { count } from './format.js'
import { type Rates, ZERO_RATE } from './rates.js'
import { compare, matches } from './row-order.js'

type Key = (data: RowData) => number | string

const keys: Record<string, Key> = {
  id: ({ backend }) => backend.id,
  state: ({ backend, now }) => backendStatusOf(backend, now).rank,
  inFlight: ({ backend }) => backend.inFlight,
  share: ({ share }) => share,
  requests: ({ rate }) => rate.requests,
  failed: ({ rate }) => (rate.requests === 0 ? 0 : rate.failures / rate.requests),
  p50: ({ backend }) => backend.latency.p50,
  p99: ({ backend }) => backend.latency.p99,
  weight: ({ backend }) => backend.weight,
  limit: ({ backend }) => backend.maxConnections ?? Number.POSITIVE_INFINITY,
}

/** Milliseconds for which rows keep their places after the pointer moves, so that a click cannot hit another row. */
const HOLD_MS = 2000

const body = byId('rows')
const filter = byId<HTMLInputElement>('filter')
const onlyTrouble = byId<HTMLInputElement>('only-trouble')

/** The table of backends. Each backend has one row, which is updated in place. */
export class BackendTable {
  /** The rows by the backend's id, in order of registration. */
  readonly #rows = new Map<string, BackendRow>()
  readonly #byElement = new WeakMap<Element, BackendRow>()
  #sort: { key: Key; descending: boolean } | undefined
  /** Time by Date.now(), in milliseconds, until which rows keep their places. */
  #heldUntil = 0
  #frame: number | undefined
  readonly #sight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = this.#byElement.get(target)
        if (row) row.seen = isIntersecting
      }
    },
    { rootMargin: '1000px' },
  )

  constructor() {
    const rearrange = () => this.#arrange()
    filter.addEventListener('input', rearrange)
    onlyTrouble.addEventListener('change', rearrange)
    body.addEventListener('pointermove', () => {
      this.#heldUntil = Date.now() + HOLD_MS
    })
    body.addEventListener('pointerleave', () => {
      this.#heldUntil = 0
    })
    for (const button of document.querySelectorAll<HTMLElement>('th button[data-sort]')) {
      button.addEventListener('click', () => this.#sortBy(button))
    }
  }

  update({ at, backends }: PoolSnapshot, rates: Rates): void {
    const now = Date.parse(at)
    const measured = backends.map((backend) => ({ backend, rate: rates.of(backend) }))
    const all = measured.reduce((sum, { rate }) => sum + rate.requests, 0)
    const busiest = backends.reduce((most, { inFlight }) => Math.max(most, inFlight), 0)
    const ids = new Set<string>()
    for (const { backend, rate } of measured) {
      ids.add(backend.id)
      this.#put({ backend, rate, share: all === 0 ? 0 : rate.requests / all, busiest, now })
    }
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#drop(id)
    this.#arrange()
  }

  /** Updates the row of a backend, or adds a row for a new backend. */
  change(backend: BackendView, at: string): void {
    const old = this.#rows.get(backend.id)?.data
    const rate = old?.rate ?? ZERO_RATE
    this.#put({ share: old?.share ?? 0, busiest: old?.busiest ?? 0, rate, backend, now: Date.parse(at) })
    this.#arrangeSoon()
  }

  /** Removes all rows. */
  clear(): void {
    for (const id of this.#rows.keys()) this.#drop(id)
    this.#arrange()
  }

  remove(id: string): void {
    this.#drop(id)
    this.#arrangeSoon()
  }

  /** Sorts the rows before the next frame is drawn, so that many changes cause only one sort. */
  #arrangeSoon(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined
      this.#arrange()
    })
  }

  #put(data: RowData): void {
    const { id, url } = data.backend
    let row = this.#rows.get(id)
    // If the URL differs, this is a new backend that was registered with the id of a removed one.
    if (row && row.data.backend.url !== url) {
      this.#drop(id)
      row = undefined
    }
    if (row) row.update(data)
    else {
      row = new BackendRow(data)
      this.#rows.set(id, row)
      this.#byElement.set(row.element, row)
      this.#sight.observe(row.element)
    }
  }

  #drop(id: string): void {
    const row = this.#rows.get(id)
    if (!row) return
    this.#sight.unobserve(row.element)
    row.element.remove()
    this.#rows.delete(id)
  }

  #sortBy(button: HTMLElement): void {
    const key = keys[button.dataset.sort as string] as Key
    const header = button.closest('th') as HTMLElement
    const before = header.getAttribute('aria-sort')
    for (const other of document.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort')
    // Each click moves on to the next order: highest first (ids: alphabetical), the reverse, order of registration.
    const first = button.dataset.sort === 'id' ? 'ascending' : 'descending'
    const second = first === 'ascending' ? 'descending' : 'ascending'
    const next = before === null ? first : before === first ? second : undefined
    this.#sort = next && { key, descending: next === 'descending' }
    if (next) header.setAttribute('aria-sort', next)
    this.#arrange()
  }

  /** Shows the rows that match the filter, in the order of the sorted column. It moves only rows that are misplaced. */
  #arrange(): void {
    const rows = [...this.#rows.values()]
    const words = filter.value.toLowerCase().split(/\s+/)
    let shown = 0
    let trouble = 0
    for (const { data, element } of rows) {
      const out = isOutOfUse(data.backend) || data.rate.failures > 0
      if (out) trouble++
      const hidden = (onlyTrouble.checked && !out) || !matches(data, words)
      if (element.hidden !== hidden) element.hidden = hidden
      if (!hidden) shown++
    }
    setText(byId('trouble-count'), count(trouble))
    setText(byId('shown'), shown === rows.length ? count(shown) : `${count(shown)} of ${count(rows.length)}`)
    byId('none-match').hidden = shown > 0 || rows.length === 0
    byId('empty').hidden = rows.length > 0
    byId('table').hidden = rows.length === 0
    byId('backends').toggleAttribute('data-empty', rows.length === 0)
    if (Date.now() < this.#heldUntil) {
      for (const { element } of rows) if (!element.isConnected) body.append(element)
      return
    }
    if (this.#sort) {
      const { key, descending } = this.#sort
      const sign = descending ? -1 : 1
      rows.sort((a, b) => sign * compare(key(a.data), key(b.data)))
    }
    place(rows.map(({ element }) => element))
  }
}

/** Puts the rows into the given order. The row with the focus is never moved, because a move would lose the focus. */
function place(rows: HTMLElement[]): void {
  const focused = rows.findIndex((row) => row.contains(document.activeElement))
  if (focused >= 0 && rows.some((row, i) => body.children[i] !== row)) {
    const anchor = rows[focused] as HTMLElement
    anchor.before(...rows.slice(0, focused))
    body.append(...rows.slice(focused + 1))
    return
  }
  let next = body.firstElementChild
  for (const row of rows) {
    if (row === next) next = next.nextElementSibling
    else body.insertBefore(row, next)
  }
}

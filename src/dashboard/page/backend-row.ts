import type { BackendView } from '../../balancer/index.js'
import * as actions from './actions.js'
import { backendStatusOf } from './backend-status.js'
import { create, setText } from './element.js'
import { count, decimal, duration, milliseconds, percent } from './format.js'
import type { Rate } from './rates.js'

/** The data that a row shows. */
export interface RowData {
  backend: BackendView
  rate: Rate
  /** Part of the requests of all backends that this backend gets, from 0 to 1. */
  share: number
  /** Requests in flight of the backend that has the most. */
  busiest: number
  /** The current time by the gateway's clock, in milliseconds. */
  now: number
}

/** The row of one backend in the table. Its elements are reused, so that focus and pointer stay on the same element. */
export class BackendRow {
  readonly element: HTMLTableRowElement
  #data: RowData
  #seen = false
  #dirty = true
  readonly #shape = create('span', { class: 'shape', 'aria-hidden': 'true' })
  readonly #word = create('span')
  readonly #detail = create('span', { class: 'detail' })
  readonly #badge = create('span', { class: 'badge' }, this.#shape, this.#word)
  readonly #inFlight = create('span')
  readonly #elsewhere = create('span', { class: 'detail elsewhere' })
  readonly #inFlightBar = create('i')
  readonly #share = create('span')
  readonly #shareBar = create('i')
  readonly #requests = create('td', { role: 'cell', 'data-label': 'Req/s' })
  readonly #failed = create('td', { role: 'cell', 'data-label': 'Failed' })
  readonly #p50 = create('td', { role: 'cell', 'data-label': 'p50 ms' })
  readonly #p99 = create('td', { role: 'cell', 'data-label': 'p99 ms' })
  readonly #weight = create('td', { role: 'cell', 'data-label': 'Weight' })
  readonly #limit = create('td', { role: 'cell', 'data-label': 'Limit' })
  readonly #check = create('td', { role: 'cell', 'data-label': 'Last check', class: 'text' })
  readonly #checkResult = create('span')
  readonly #checkAge = create('span', { class: 'detail' })
  readonly #drain: HTMLButtonElement
  readonly #activate: HTMLButtonElement

  constructor(data: RowData) {
    this.#data = data
    const { id, url } = data.backend
    const button = (label: string, act: (backend: BackendView) => void) => {
      const made = create('button', { type: 'button', 'aria-label': `${label} ${id}` }, label)
      made.addEventListener('click', () => act(this.#data.backend))
      return made
    }
    this.#drain = button('Drain', actions.drain)
    this.#activate = button('Activate', actions.activate)
    const bar = (inner: HTMLElement) => create('span', { class: 'bar', 'aria-hidden': 'true' }, inner)
    this.#check.append(this.#checkResult, this.#checkAge)
    this.element = create(
      'tr',
      { role: 'row' },
      create(
        'th',
        { scope: 'row', role: 'rowheader' },
        create('b', {}, id),
        create('span', { class: 'detail' }, url),
      ),
      create('td', { role: 'cell', 'data-label': 'State', class: 'text' }, this.#badge, this.#detail),
      create(
        'td',
        { role: 'cell', 'data-label': 'In flight' },
        this.#inFlight,
        this.#elsewhere,
        bar(this.#inFlightBar),
      ),
      create('td', { role: 'cell', 'data-label': 'Share' }, this.#share, bar(this.#shareBar)),
      this.#requests,
      this.#failed,
      this.#p50,
      this.#p99,
      this.#weight,
      this.#limit,
      this.#check,
      create(
        'td',
        { role: 'cell', class: 'actions' },
        this.#drain,
        this.#activate,
        button('Edit', actions.edit),
        button('Remove', actions.remove),
      ),
    )
  }

  get data(): RowData {
    return this.#data
  }

  /** True if the row is visible. An invisible row is updated only when it becomes visible. */
  set seen(seen: boolean) {
    this.#seen = seen
    if (seen && this.#dirty) this.#write()
  }

  update(data: RowData): void {
    this.#data = data
    this.#dirty = true
    if (this.#seen) this.#write()
  }

  #write(): void {
    this.#dirty = false
    const { backend, rate, share, busiest, now } = this.#data
    const { inFlight, tunnels, maxConnections, latency, lastCheck, weight, state, health, backup } = backend
    const { kind, word, shape, detail } = backendStatusOf(backend, now)
    if (this.element.dataset.kind !== kind) this.element.dataset.kind = kind
    setText(this.#shape, shape)
    setText(this.#word, word)
    const more = [
      backup && 'backup',
      tunnels > 0 && `${count(tunnels)} ${tunnels === 1 ? 'tunnel' : 'tunnels'}`,
    ]
    setText(this.#detail, [...more, detail].filter(Boolean).join(', '))
    setText(this.#inFlight, count(inFlight))
    setText(this.#elsewhere, `${count(backend.inFlightElsewhere)} elsewhere`)
    // The bar is relative to the backend's limit of requests in flight or, without a limit, to the busiest backend.
    scale(this.#inFlightBar, inFlight / (maxConnections ?? Math.max(busiest, 10)))
    this.#inFlightBar.parentElement?.classList.toggle(
      'full',
      maxConnections !== null && inFlight >= maxConnections,
    )
    setText(this.#share, percent(share))
    scale(this.#shareBar, share)
    setText(this.#requests, decimal(rate.requests))
    setText(this.#failed, rate.requests === 0 ? '–' : percent(rate.failures / rate.requests))
    this.#failed.classList.toggle('bad', rate.failures > 0)
    setText(this.#p50, milliseconds(latency.p50))
    setText(this.#p99, milliseconds(latency.p99))
    setText(this.#weight, count(weight))
    setText(this.#limit, maxConnections === null ? 'none' : count(maxConnections))
    setText(this.#checkResult, lastCheck?.detail ?? '–')
    setText(this.#checkAge, lastCheck ? `${duration(now - Date.parse(lastCheck.at))} ago` : '')
    this.#check.classList.toggle('bad', lastCheck?.passed === false)
    this.#offer(this.#drain, state === 'active')
    this.#offer(this.#activate, state === 'draining' || health === 'ejected')
  }

  #offer(button: HTMLElement, offered: boolean): void {
    if (button.hidden !== offered) return
    // If a button that is about to be hidden has the focus, the button that replaces it gets the focus.
    const focused = document.activeElement === button
    button.hidden = !offered
    if (focused) (button === this.#drain ? this.#activate : this.#drain).focus()
  }
}

function scale(bar: HTMLElement, part: number): void {
  const transform = `scaleX(${Math.min(1, part).toFixed(3)})`
  if (bar.style.transform !== transform) bar.style.transform = transform
}

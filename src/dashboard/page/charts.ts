import type UPlot from 'uplot'
import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { type Chart, charts } from './chart-series.js'
import { byId, create, setText } from './element.js'
import { count, decimal } from './format.js'
import type { Rates } from './rates.js'

declare const uPlot: typeof UPlot

/** Seconds that the charts show. */
const SPAN_S = 300
/** Labels of the time axis, as minutes before now. */
const LABEL_MINUTES = [4, 2, 0]

/** Charts of the last five minutes. They begin empty when the page is opened. */
export class Charts {
  #times: number[] = []
  readonly #plots = charts.map((chart) => new Plot(chart))

  add(snapshot: PoolSnapshot, rates: Rates): void {
    this.#times.push(Date.parse(snapshot.at) / 1000)
    const stale = this.#times.findIndex((time) => time >= (this.#times.at(-1) as number) - SPAN_S)
    this.#times.splice(0, stale)
    for (const plot of this.#plots) plot.add(snapshot, rates, this.#times)
  }

  /** Removes all points. */
  clear(): void {
    this.#times = []
    for (const plot of this.#plots) plot.clear()
  }

  /** Adds a gap to the lines, for a time without data. */
  gap(): void {
    const last = this.#times.at(-1)
    if (last === undefined) return
    this.#times.push(last + 0.001)
    for (const plot of this.#plots) plot.gap()
  }
}

class Plot {
  readonly #chart: Chart
  readonly #values: (number | null)[][]
  readonly #figures: HTMLElement[] = []
  readonly #plot: UPlot

  constructor(chart: Chart) {
    this.#chart = chart
    this.#values = chart.series.map(() => [])
    const figure = byId(chart.id)
    const legend = create('ul')
    for (const [i, { label }] of chart.series.entries()) {
      const value = create('b', {}, '–')
      this.#figures.push(value)
      legend.append(create('li', { class: `line-${i}` }, create('span', {}, label), ' ', value))
      legend.lastElementChild?.classList.add(chart.series[i]?.color.slice(2) as string)
    }
    figure.querySelector('figcaption')?.append(legend)
    const box = create('div', { class: 'plot', 'aria-hidden': 'true' })
    figure.append(box)
    this.#plot = new uPlot(this.#options(box), [[], ...chart.series.map(() => [])], box)
    new ResizeObserver(() =>
      this.#plot.setSize({ width: box.clientWidth, height: box.clientHeight }),
    ).observe(box)
    // The chart reads its colours from the style sheet while it is drawn, so a change of the colour scheme redraws it.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw())
  }

  add(snapshot: PoolSnapshot, rates: Rates, times: number[]): void {
    for (const [i, { read }] of this.#chart.series.entries()) {
      const values = this.#values[i] as (number | null)[]
      values.push(read(snapshot, rates))
      values.splice(0, values.length - times.length)
    }
    const last = times.at(-1) as number
    this.#plot.batch(() => {
      this.#plot.setData([times, ...this.#values] as UPlot.AlignedData, true)
      this.#plot.setScale('x', { min: last - SPAN_S, max: last })
    })
    if (this.#plot.cursor.idx == null) this.#show(times.length - 1)
  }

  clear(): void {
    for (const values of this.#values) values.splice(0)
    this.#plot.setData([[], ...this.#values] as UPlot.AlignedData, true)
    this.#show(0)
  }

  gap(): void {
    for (const values of this.#values) values.push(null)
  }

  /** Writes the values at a point in time as text, for users who cannot see the chart. */
  #show(index: number): void {
    for (const [i, figure] of this.#figures.entries()) {
      const value = this.#values[i]?.[index]
      setText(figure, value == null ? '–' : Number.isInteger(value) ? count(value) : decimal(value))
    }
  }

  #options(box: HTMLElement): UPlot.Options {
    const color = (name: string) => () => getComputedStyle(box).getPropertyValue(name)
    const font = '11px system-ui, sans-serif'
    const axis = { stroke: color('--muted'), font, ticks: { show: false } }
    const grid = { stroke: color('--rule'), width: 1 }
    return {
      width: 300,
      height: 120,
      legend: { show: false },
      cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      padding: [6, 16, 0, 0],
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 22,
          splits: (plot) => LABEL_MINUTES.map((minutes) => (plot.scales.x?.max ?? 0) - 60 * minutes),
          values: () => LABEL_MINUTES.map((minutes) => (minutes === 0 ? 'now' : `−${minutes} min`)),
        },
        {
          ...axis,
          grid,
          size: 44,
          space: 28,
          values: (_, splits) => splits.map((value) => `${value.toLocaleString('en')}`),
        },
      ],
      series: [
        {},
        ...this.#chart.series.map((series) => ({
          label: series.label,
          stroke: color(series.color),
          width: 1.5,
          points: { show: false },
          ...(series.area && { fill: color(`${series.color}-fill`) }),
        })),
      ],
      hooks: {
        setCursor: [(plot) => this.#show(plot.cursor.idx ?? (this.#values[0]?.length ?? 0) - 1)],
      },
    }
  }
}

import { type Axis, axis, COLOURS, draw, grid, legend, TEXT, type Titles } from './svg.js'

export interface BarsOptions extends Titles {
  /** One group of bars each, or one bar where they are stacked. */
  groups: readonly string[]
  y: Axis
  series: readonly { name: string; values: readonly number[] }[]
  stacked?: boolean
}

/** A picture of bars, as SVG; their values are written at them. */
export function bars({ groups, y, series, stacked = false, ...titles }: BarsOptions): string {
  const write = y.format ?? String
  const heights = groups.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0))
  // What is lower than its writing goes without.
  const least = stacked ? Math.max(...heights) / 20 : 0
  return draw(titles, {
    grid,
    legend: legend(series.map(({ name }) => name)),
    xAxis: {
      type: 'category',
      data: groups,
      axisLabel: { fontSize: 14, color: TEXT, interval: 0 },
      axisTick: { show: false },
    },
    yAxis: axis(y, true),
    series: series.map(({ name, values }, i) => ({
      type: 'bar',
      name,
      data: values,
      color: COLOURS[i % COLOURS.length],
      ...(stacked && { stack: 'all' }),
      barMaxWidth: stacked ? 90 : 44,
      barGap: '8%',
      label: {
        show: true,
        position: stacked ? 'inside' : 'top',
        fontSize: 13,
        color: stacked ? '#ffffff' : TEXT,
        formatter: ({ value }: { value: number }) => (value < least ? '' : write(value)),
      },
      emphasis: { disabled: true },
      silent: true,
    })),
  })
}

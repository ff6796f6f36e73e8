import { type Axis, axis, COLOURS, DASHES, draw, grid, legend, QUIET, type Titles } from './svg.js'

export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
  /** Number of its colour and dashes, from 0 to 5; by default each has its own. */
  style?: number
  /** Marks every point. */
  dots?: boolean
}

export interface LinesOptions extends Titles {
  x: Axis
  y: Axis
  series: readonly Series[]
  /** A span of x that something is said of. */
  area?: { from: number; to: number; name: string }
}

/** A picture of curves, as SVG. */
export function lines({ x, y, series, area, ...titles }: LinesOptions): string {
  return draw(titles, {
    grid,
    legend: legend(series.map(({ name }) => name)),
    xAxis: axis(x, false),
    yAxis: axis(y, true),
    series: series.map(({ name, points, style: chosen, dots }, i) => {
      const style = chosen ?? i
      const colour = COLOURS[style]
      return {
        type: 'line',
        name,
        data: points,
        color: colour,
        showSymbol: dots === true,
        symbol: 'circle',
        symbolSize: 7,
        lineStyle: { width: 2.5, type: DASHES[style], color: colour },
        emphasis: { disabled: true },
        silent: true,
        ...(area && i === 0 && { markArea: marked(area) }),
      }
    }),
  })
}

function marked({ from, to, name }: { from: number; to: number; name: string }) {
  return {
    silent: true,
    itemStyle: { color: '#8c959f', opacity: 0.13 },
    label: { show: true, position: 'top', fontSize: 13, color: QUIET, formatter: name },
    data: [[{ xAxis: from }, { xAxis: to }]],
  }
}

import { type Axis, axis, COLOURS, draw, grid, legend, QUIET, type Titles } from './svg.js'

export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
  dashed?: boolean
  /** Series of one number have one colour; by default each has its own. */
  colour?: number
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
    series: series.map(({ name, points, dashed, colour, dots }, i) => {
      const drawn = COLOURS[(colour ?? i) % COLOURS.length]
      return {
        type: 'line',
        name,
        data: points,
        color: drawn,
        showSymbol: dots === true,
        symbol: 'circle',
        symbolSize: 7,
        lineStyle: { width: 2.5, type: dashed ? [7, 5] : 'solid', color: drawn },
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
    label: { show: true, position: 'insideTop', fontSize: 13, color: QUIET, formatter: name },
    data: [[{ xAxis: from }, { xAxis: to }]],
  }
}

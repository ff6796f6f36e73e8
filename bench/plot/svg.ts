import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, MarkAreaComponent, TitleComponent } from 'echarts/components'
import { type EChartsCoreOption, init, setPlatformAPI, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, MarkAreaComponent, TitleComponent, SVGRenderer])

/** Width of a letter in parts of its height, in the widest of the usual fonts: nobody knows which one a reader has. */
const LETTER = 0.57

setPlatformAPI({
  measureText(text, font = '') {
    const height = Number(/([\d.]+)px/.exec(font)?.[1] ?? 14)
    // The library takes the height of a line from the width of a Chinese letter.
    return { width: height * (/^[\u4e00-\u9fff]$/.test(text) ? 1 : text.length * LETTER) }
  },
})

/** Of every picture, in pixels. */
export const WIDTH = 880
export const HEIGHT = 460

/** For each of up to so many series, told apart by the colour-blind as well (Okabe and Ito, darkened for white). */
export const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#b5579a', '#8a6d00', '#444444']

/** Of the lines that go with them: where two curves are one, both are seen. */
export const DASHES: (readonly number[] | 'solid')[] = ['solid', 'solid', [12, 5], 'solid', [6, 6], [2, 4]]

export const TEXT = '#24292f'
export const QUIET = '#57606a'
const GRID = '#d8dee4'
const FONT = 'ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif'

export interface Titles {
  title: string
  subtitle: string
}

export interface Axis {
  name: string
  log?: boolean
  /** Of a logarithmic axis; 10 where it is left out. */
  base?: number
  min?: number
  max?: number
  /** How a value is written; as it is where it is left out. */
  format?: (value: number) => string
}

/**
 * Draws without a browser. The card is white in whatever surroundings, and the same options always make the
 * same text, so that a picture under version control changes with its data only.
 */
export function draw({ title, subtitle }: Titles, option: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    textStyle: { fontFamily: FONT, color: TEXT },
    title: {
      text: title,
      subtext: subtitle,
      left: 24,
      top: 16,
      itemGap: 8,
      textStyle: { fontSize: 20, fontWeight: 600, color: TEXT },
      subtextStyle: { fontSize: 14, lineHeight: 19, color: QUIET },
    },
    ...option,
  })
  const svg = chart.renderToSVGString({ useViewBox: true })
  chart.dispose()
  return stable(named(svg, title, subtitle))
}

/** Names of styles are numbered through all that a process draws; here they begin anew with each picture. */
function stable(svg: string): string {
  const names = new Map<string, string>()
  return svg.replace(/\bzr\d+-(?:[a-z]+-?)?\d+/g, (name) => {
    const known = names.get(name) ?? `s${names.size}`
    names.set(name, known)
    return known
  })
}

/** Says what it shows to those who do not see it. */
function named(svg: string, title: string, subtitle: string): string {
  const start = svg.indexOf('>') + 1
  const label = escaped(`${title}. ${subtitle.replaceAll('\n', ' ')}`)
  return `${svg.slice(0, start - 1)} role="img" aria-label="${label}">\n<title>${escaped(title)}</title>${svg.slice(start)}\n`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

export function axis({ name, log = false, base, min, max, format }: Axis, vertical: boolean) {
  return {
    type: log ? 'log' : 'value',
    name,
    nameLocation: vertical ? 'end' : 'middle',
    nameGap: vertical ? 14 : 34,
    nameTextStyle: { fontSize: 14, color: QUIET, align: vertical ? 'left' : 'center', padding: 0 },
    ...(base !== undefined && { logBase: base }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    axisLabel: { fontSize: 14, color: TEXT, ...(format && { formatter: format }) },
    axisLine: { show: !vertical, lineStyle: { color: QUIET } },
    axisTick: { show: !vertical },
    splitLine: { show: vertical, lineStyle: { color: GRID } },
    minorSplitLine: { show: false },
  }
}

/** Where the picture proper is, below the titles and the legend. */
export const grid = { left: 24, right: 36, top: 156, bottom: 14, outerBoundsMode: 'same' }

export function legend(names: readonly string[]) {
  return {
    data: names.map((name) => ({ name })),
    left: 20,
    right: 20,
    top: 92,
    itemWidth: 22,
    itemGap: 13,
    textStyle: { fontSize: 14, color: TEXT },
  }
}

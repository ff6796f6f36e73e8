import { styleText } from 'node:util'
import { terminalText } from './terminal-text.js'

/** One at a time: Node 20 writes a list of them to files, too. */
export type Style = 'bold' | 'dim' | 'red' | 'yellow'

export interface Column<Row> {
  head: string
  /** For numbers. */
  right?: boolean
  /** Left out where there is no room, the lowest first; kept where it is not set. */
  spare?: number
  text(row: Row): string
  style?(row: Row): Style | undefined
}

interface Laid<Row> extends Column<Row> {
  cells: string[]
  width: number
}

const GAP = '  '
/** Columns of the terminal that are left of the first one of the table where there is no room. */
const LEAST = 8
/** Letters of a cell; nothing that a gateway has to say is as long. */
const MOST = 300

/**
 * Lines of a table, the first one its head, none longer than `width`. Where there is no room columns are left out;
 * then the first one gives way; and then lines are cut.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const laid = fit(
    columns.map((column) => lay(column, rows)),
    width,
  )
  const [first] = laid
  if (first) first.width = Math.min(first.width, Math.max(LEAST, first.width - (lengthOf(laid) - width)))
  return [
    line(laid, width, ({ head }) => [head, 'bold']),
    ...rows.map((row, i) => line(laid, width, (column) => [column.cells[i] as string, column.style?.(row)])),
  ]
}

/** Styled where standard output is a terminal and NO_COLOR is not set. */
export function styled(text: string, style: Style | undefined): string {
  return style === undefined || text === '' ? text : styleText(style, text)
}

function lay<Row>(column: Column<Row>, rows: readonly Row[]): Laid<Row> {
  const cells = rows.map((row) => terminalText(column.text(row).slice(0, MOST)))
  return {
    ...column,
    cells,
    width: cells.reduce((most, { length }) => Math.max(most, length), column.head.length),
  }
}

function fit<Row>(columns: Laid<Row>[], width: number): Laid<Row>[] {
  if (lengthOf(columns) <= width) return columns
  const spare = Math.min(...columns.map((column) => column.spare ?? Number.POSITIVE_INFINITY))
  if (!Number.isFinite(spare)) return columns
  return fit(
    columns.filter((column) => column.spare !== spare),
    width,
  )
}

function lengthOf<Row>(columns: Laid<Row>[]): number {
  return columns.reduce((sum, column) => sum + column.width, GAP.length * (columns.length - 1))
}

function line<Row>(
  columns: Laid<Row>[],
  width: number,
  cell: (column: Laid<Row>) => [text: string, style: Style | undefined],
): string {
  const parts: string[] = []
  let room = width
  for (const [i, column] of columns.entries()) {
    if (room <= 0) break
    const [whole, style] = cell(column)
    const text = whole.length > column.width ? `${whole.slice(0, column.width - 1)}…` : whole
    const last = i === columns.length - 1
    const padded = column.right ? text.padStart(column.width) : last ? text : text.padEnd(column.width)
    parts.push(styled(padded.slice(0, room), style))
    room -= column.width + GAP.length
  }
  return parts.join(GAP)
}

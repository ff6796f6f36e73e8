import { styleText } from 'node:util'
import { terminalText } from './terminal-text.js'

/** A style of text. A text has only one style, because Node 20 writes the codes of a list of styles even to files. */
export type Style = 'bold' | 'dim' | 'red' | 'yellow'

export interface Column<Row> {
  head: string
  /** True if the column is aligned to the right, which suits numbers. */
  right?: boolean
  /**
   * Priority of the column in a narrow terminal: columns with the lowest number are left out first. A column without a
   * number always stays.
   */
  spare?: number
  text(row: Row): string
  style?(row: Row): Style | undefined
}

/** A column with the texts of its cells, and the width that they need in characters. */
interface SizedColumn<Row> extends Column<Row> {
  cells: string[]
  width: number
}

const GAP = '  '
/** Width in characters that the first column keeps even in a narrow terminal. */
const MIN_FIRST_COLUMN_WIDTH = 8
/** Longest text of a cell in characters. All values that a gateway sends are shorter. */
const MAX_CELL_LENGTH = 300

/**
 * Returns the lines of a table, beginning with the heads of the columns. No line is longer than `width` characters: if
 * there is too little room, columns with a `spare` number are left out, then the first column is shortened, and at last
 * lines are cut.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const shown = fit(
    columns.map((column) => sized(column, rows)),
    width,
  )
  const [first] = shown
  if (first)
    first.width = Math.min(
      first.width,
      Math.max(MIN_FIRST_COLUMN_WIDTH, first.width - (lengthOf(shown) - width)),
    )
  return [
    line(shown, width, ({ head }) => [head, 'bold']),
    ...rows.map((row, i) => line(shown, width, (column) => [column.cells[i] as string, column.style?.(row)])),
  ]
}

/** Applies a style if standard output is a terminal and NO_COLOR is not set. */
export function styled(text: string, style: Style | undefined): string {
  return style === undefined || text === '' ? text : styleText(style, text)
}

function sized<Row>(column: Column<Row>, rows: readonly Row[]): SizedColumn<Row> {
  const cells = rows.map((row) => terminalText(column.text(row).slice(0, MAX_CELL_LENGTH)))
  return {
    ...column,
    cells,
    width: cells.reduce((most, { length }) => Math.max(most, length), column.head.length),
  }
}

function fit<Row>(columns: SizedColumn<Row>[], width: number): SizedColumn<Row>[] {
  if (lengthOf(columns) <= width) return columns
  const spare = Math.min(...columns.map((column) => column.spare ?? Number.POSITIVE_INFINITY))
  if (!Number.isFinite(spare)) return columns
  return fit(
    columns.filter((column) => column.spare !== spare),
    width,
  )
}

function lengthOf<Row>(columns: SizedColumn<Row>[]): number {
  return columns.reduce((sum, column) => sum + column.width, GAP.length * (columns.length - 1))
}

function line<Row>(
  columns: SizedColumn<Row>[],
  width: number,
  cell: (column: SizedColumn<Row>) => [text: string, style: Style | undefined],
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

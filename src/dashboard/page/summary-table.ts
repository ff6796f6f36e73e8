import { create, setText } from './element.js'
import { count } from './format.js'
import type { Words } from './route-text.js'

/** A column of a table in which each row is a thing that has a name and a page. */
export interface SummaryColumn<T> {
  label: string
  /** The text of a cell, or several texts, of which some lead to another page. */
  text(row: T): string | Words[]
  /** True where the text tells of something bad. */
  bad?(row: T): boolean
  /** True for words, which are aligned to the left. */
  words?: boolean
}

/** Rows that are shown at most; a browser would be busy with thousands of them all the time. */
const MAX_ROWS = 300

interface Row {
  element: HTMLTableRowElement
  cells: HTMLElement[]
  /** What each cell shows. */
  shown: string[]
}

/** A table whose rows are updated in place, so that focus and pointer stay on the same element. */
export class SummaryTable<T extends { name: string }> {
  readonly #columns: readonly SummaryColumn<T>[]
  readonly #linkTo: (row: T) => string
  readonly #body: HTMLElement
  readonly #rows = new Map<string, Row>()

  /**
   * @param table an empty table
   * @param head name of the first column, which has the names
   * @param linkTo the page of a row
   */
  constructor(
    table: HTMLElement,
    head: string,
    linkTo: (row: T) => string,
    columns: readonly SummaryColumn<T>[],
  ) {
    this.#columns = columns
    this.#linkTo = linkTo
    this.#body = create('tbody', { role: 'rowgroup' })
    const heads = [{ label: head, words: true }, ...columns].map(({ label, words }) =>
      create('th', { scope: 'col', role: 'columnheader', ...(words && { class: 'text' }) }, label),
    )
    table.append(create('thead', { role: 'rowgroup' }, create('tr', { role: 'row' }, ...heads)), this.#body)
  }

  /** Shows the first of these rows. @returns a note about those that are not shown; empty where all are */
  update(rows: readonly T[]): string {
    const shown = rows.slice(0, MAX_ROWS)
    const names = new Set(shown.map(({ name }) => name))
    for (const [name, { element }] of this.#rows) {
      if (names.has(name)) continue
      element.remove()
      this.#rows.delete(name)
    }
    let next = this.#body.firstElementChild
    for (const data of shown) {
      const { element } = this.#show(data)
      if (element === next) next = next.nextElementSibling
      else this.#body.insertBefore(element, next)
    }
    const missing = rows.length - shown.length
    return missing > 0 ? `${count(missing)} more are not shown: filter them.` : ''
  }

  clear(): void {
    this.update([])
  }

  #show(data: T): Row {
    let row = this.#rows.get(data.name)
    if (!row) {
      row = this.#make(data)
      this.#rows.set(data.name, row)
    }
    for (const [i, { text, bad }] of this.#columns.entries()) {
      const cell = row.cells[i] as HTMLElement
      const words = text(data)
      const key = typeof words === 'string' ? words : JSON.stringify(words)
      if (row.shown[i] !== key) {
        row.shown[i] = key
        if (typeof words === 'string') setText(cell, words)
        else cell.replaceChildren(...inWords(words))
      }
      cell.classList.toggle('bad', bad?.(data) === true)
    }
    return row
  }

  #make(data: T): Row {
    const cells = this.#columns.map(({ label, words }) =>
      create('td', { role: 'cell', 'data-label': label, ...(words && { class: 'text' }) }),
    )
    const name = create('a', { href: this.#linkTo(data) }, data.name)
    const head = create('th', { scope: 'row', role: 'rowheader' }, name)
    return { element: create('tr', { role: 'row' }, head, ...cells), cells, shown: [] }
  }
}

/** Returns texts as nodes with blanks between them. */
export function inWords(words: readonly Words[]): (Node | string)[] {
  return words.flatMap(({ text, href }, i) => [
    ...(i > 0 ? [' '] : []),
    href === undefined ? create('span', {}, text) : create('a', { href }, text),
  ])
}

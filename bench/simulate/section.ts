import Table from 'cli-table3'

/** A table under a title, with what it shows before it and a remark after it. */
export function section(title: string, about: string, head: string[], rows: string[][], remark = ''): string {
  const table = new Table({
    head,
    // Words to the left, figures to the right.
    colAligns: head.map((_, i) => (rows.every((row) => /^[\d-]/.test(row[i] ?? '')) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows)
  return [title, '='.repeat(title.length), about, table.toString(), remark].filter((part) => part).join('\n')
}

/** A figure in milliseconds. */
export function milliseconds(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}

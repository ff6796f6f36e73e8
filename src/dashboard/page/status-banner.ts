import { byId, create, setText } from './element.js'

/** A status in sentences, the worst first. */
export interface Status {
  level: 'good' | 'warning' | 'bad'
  lines: string[]
}

const shapes = { good: '●', warning: '▲', bad: '✕' }

/**
 * Shows the status of what the page is about. The title of the document repeats it, so that the browser's tab shows it,
 * too.
 * @param name name of the pool or the route; undefined where the page is about all there is
 */
export function showStatus({ level, lines }: Status, name: string | undefined): void {
  byId('pool-status').className = level
  setText(byId('pool-status-shape'), shapes[level])
  const [first = '', ...rest] = lines
  setText(byId('pool-status-first'), first)
  const list = byId('pool-status-rest')
  while (list.childElementCount > rest.length) list.lastElementChild?.remove()
  while (list.childElementCount < rest.length) list.append(create('li'))
  for (const [i, line] of rest.entries()) setText(list.children[i] as HTMLElement, line)
  const about = name === undefined ? '' : `${name} · `
  const title = `${level === 'good' ? '' : `${shapes[level]} `}${about}leastwise ${location.host}`
  if (document.title !== title) document.title = title
}

/** Shows that nothing is known yet. */
export function clearStatus(name: string | undefined): void {
  showStatus({ level: 'good', lines: ['Waiting for the gateway.'] }, name)
  byId('pool-status').className = ''
  setText(byId('pool-status-shape'), '○')
}

import { type Failure, report } from '../failure.js'
import { printable, printableJson } from '../printable.js'
import { styled } from '../table.js'
import { draw, type Order, orders, type Picture } from './frame.js'
import { between, type Look, refusedPerSecond } from './look.js'
import { Screen } from './screen.js'

/** Where what was seen goes to. */
export interface View {
  /** @param before the look before this one, if it is not the first */
  show(look: Look, before: Look | undefined): void
  /** The gateway cannot be seen at the moment. */
  lost(failure: Failure): void
  close(): void
}

/** A line of JSON for all but the first look. */
export const jsonView: View = {
  show(look, before) {
    if (!before) return
    const recent = between(before, look)
    const document = {
      at: look.at.toISOString(),
      interval: Math.round(look.time - before.time),
      pool: { ...look.pool, recent: { refusedPerSecond: refusedPerSecond(before, look) } },
      backends: look.backends.map((backend) => ({ ...backend, recent: recent.get(backend.id) })),
    }
    process.stdout.write(`${printableJson(document)}\n`)
  },
  lost: (failure) => report(failure, true),
  close() {},
}

/** A table for all but the first look, one below another. */
export function plainView(order: Order): View {
  let tables = 0
  return {
    show(look, before) {
      if (!before) return
      if (tables++ > 0) process.stdout.write('\n')
      const lines = draw({
        look,
        recent: between(before, look),
        refused: refusedPerSecond(before, look),
        order,
      })
      process.stdout.write(`${look.at.toISOString()}\n${lines.join('\n')}\n`)
    },
    lost: (failure) => report(failure, false),
    close() {},
  }
}

/** A table in place. @param url of the gateway */
export function liveView(url: string, sort: Order, onQuit: () => void): View {
  let order = sort
  let last: Omit<Picture, 'order'> | undefined
  let trouble: Failure | undefined
  const other = () => orders.find((name) => name !== order) as Order
  const redraw = () => {
    if (!last) return
    const { width, height } = screen
    const lines = draw({ ...last, order }, width, height - 1)
    const note = trouble
      ? `${trouble.message}; asking again`
      : `${url}  ${last.look.at.toTimeString().slice(0, 8)}  s: sort by ${other()}  q: quit`
    screen.draw([...lines, styled(printable(note).slice(0, width), trouble ? 'red' : 'dim')])
  }
  const screen = new Screen({
    onStale: redraw,
    onQuit,
    onKey(key) {
      if (key !== 's') return
      order = other()
      redraw()
    },
  })
  screen.open()
  return {
    show(look, before) {
      last = {
        look,
        recent: before && between(before, look),
        refused: before && refusedPerSecond(before, look),
      }
      trouble = undefined
      redraw()
    },
    lost(failure) {
      trouble = failure
      redraw()
    },
    close: () => screen.close(),
  }
}

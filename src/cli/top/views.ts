import { type Failure, report } from '../failure.js'
import { styled } from '../table.js'
import { terminalJson, terminalText } from '../terminal-text.js'
import { draw, type Order, orders } from './picture.js'
import type { Observation } from './sample.js'
import { Screen } from './screen.js'

/** Receives each observation, to show it. */
export interface View {
  show(observation: Observation): void
  /** Called when the gateway does not respond at the moment. */
  lost(failure: Failure): void
  close(): void
}

/** Prints each sample except the first as one line of JSON. */
export const jsonView: View = {
  show({ sample, interval, recent, refused }) {
    if (!recent) return
    const document = {
      at: sample.at.toISOString(),
      interval,
      pool: { ...sample.pool, recent: { refusedPerSecond: refused } },
      backends: sample.backends.map((backend) => ({ ...backend, recent: recent.get(backend.id) })),
    }
    process.stdout.write(`${terminalJson(document)}\n`)
  },
  lost: (failure) => report(failure, true),
  close() {},
}

/** Prints each sample except the first as a table, one below the other. */
export function plainView(order: Order): View {
  let tables = 0
  return {
    show(observation) {
      if (!observation.recent) return
      if (tables++ > 0) process.stdout.write('\n')
      const lines = draw({ ...observation, order })
      process.stdout.write(`${observation.sample.at.toISOString()}\n${lines.join('\n')}\n`)
    },
    lost: (failure) => report(failure, false),
    close() {},
  }
}

/** Shows a table that is updated in place. @param url URL of the gateway */
export function liveView(url: string, sort: Order, onQuit: () => void): View {
  let order = sort
  let last: Observation | undefined
  let trouble: Failure | undefined
  const other = () => orders.find((name) => name !== order) as Order
  const redraw = () => {
    if (!last) return
    const { width, height } = screen
    const lines = draw({ ...last, order }, width, height - 1)
    const note = trouble
      ? `${trouble.message}; asking again`
      : `${url}  ${last.sample.at.toTimeString().slice(0, 8)}  s: sort by ${other()}  q: quit`
    screen.draw([...lines, styled(terminalText(note).slice(0, width), trouble ? 'red' : 'dim')])
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
    show(observation) {
      last = observation
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

import { type Failure, report } from '../failure.js'
import { styled } from '../table.js'
import { terminalJson, terminalText } from '../terminal-text.js'
import { draw, type Order, orders } from './picture.js'
import type { Observation } from './sample.js'
import { Screen } from './screen.js'

/** Receives what was observed each second, to show it. */
export interface View {
  /** @param observations one for each pool */
  show(observations: readonly Observation[]): void
  /** Called when the gateway does not respond at the moment. */
  lost(failure: Failure): void
  close(): void
}

/** Prints each sample of a pool except the first as one line of JSON. */
export const jsonView: View = {
  show(observations) {
    for (const { sample, interval, recent, refused } of observations) {
      if (!recent) continue
      const document = {
        at: sample.at.toISOString(),
        interval,
        name: sample.name,
        ...(sample.gateways && { gateways: sample.gateways }),
        pool: { ...sample.pool, recent: { refusedPerSecond: refused } },
        backends: sample.backends.map((backend) => ({ ...backend, recent: recent.get(backend.id) })),
      }
      process.stdout.write(`${terminalJson(document)}\n`)
    }
  },
  lost: (failure) => report(failure, true),
  close() {},
}

/** Prints each sample except the first as a table, one below the other. */
export function plainView(order: Order): View {
  let tables = 0
  return {
    show(observations) {
      for (const observation of observations) {
        if (!observation.recent) continue
        if (tables++ > 0) process.stdout.write('\n')
        const lines = draw({ ...observation, order })
        process.stdout.write(`${observation.sample.at.toISOString()}\n${lines.join('\n')}\n`)
      }
    },
    lost: (failure) => report(failure, false),
    close() {},
  }
}

/** Shows a table that is updated in place: of one pool at a time. @param url URL of the gateway */
export function liveView(url: string, sort: Order, onQuit: () => void): View {
  let order = sort
  let all: readonly Observation[] = []
  /** Name of the pool that is shown. */
  let chosen: string | undefined
  let trouble: Failure | undefined
  const other = () => orders.find((name) => name !== order) as Order
  /** Place of the pool that is shown among all; the first one where that pool is gone. */
  const place = () =>
    Math.max(
      0,
      all.findIndex(({ sample }) => sample.name === chosen),
    )
  const redraw = () => {
    const last = all[place()]
    if (!last) return
    const { width, height } = screen
    const pools = all.length > 1 ? `  p: next pool, ${place() + 1} of ${all.length}` : ''
    const lines = draw({ ...last, order }, width, height - 1)
    const note = trouble
      ? `${trouble.message}; asking again`
      : `${url}  ${last.sample.at.toTimeString().slice(0, 8)}  s: sort by ${other()}${pools}  q: quit`
    screen.draw([...lines, styled(terminalText(note).slice(0, width), trouble ? 'red' : 'dim')])
  }
  const screen = new Screen({
    onStale: redraw,
    onQuit,
    onKey(key) {
      if (key === 's') order = other()
      else if (key === 'p' && all.length > 1) chosen = all[(place() + 1) % all.length]?.sample.name
      else return
      redraw()
    },
  })
  screen.open()
  return {
    show(observations) {
      all = observations
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

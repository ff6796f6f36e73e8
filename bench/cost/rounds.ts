import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Order, Sample } from './load.js'

/** Has a process that runs `load.js` measure once. */
export function measure(load: ChildProcess, order: Order, signal?: AbortSignal): Promise<Sample> {
  return ask(load, order, signal)
}

/** Sends an order to a process, which answers with a sample. @throws {Error} that the process answers instead */
export async function ask<O extends object, S>(
  child: ChildProcess,
  order: O,
  signal?: AbortSignal,
): Promise<S> {
  const answer = once(child, 'message', { ...(signal && { signal }) })
  child.send(order)
  const [{ sample, error }] = (await answer) as [{ sample?: S; error?: string }]
  if (!sample) throw new Error(error)
  return sample
}

/** In an order of chance, so that nothing always comes after the same. */
export function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

import { AsyncResource } from 'node:async_hooks'

/** Made when the program starts, and so in no context of a request. */
const background = new AsyncResource('leastwise.background')

/**
 * Calls `act` outside of the asynchronous context of the request that is being handled. What outlives a request is
 * started so: Node keeps with each timer and socket the context in which it was made, with everything that an app has
 * put into the context, and runs their callbacks in it.
 */
export function inBackground<Args extends unknown[], Result>(
  act: (...args: Args) => Result,
  ...args: Args
): Result {
  return background.runInAsyncScope(act, undefined, ...args)
}

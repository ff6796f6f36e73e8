import type { Balancer } from '../balancer/balancer.js'
import { type ChangeCall, makeChange, type PoolChange } from '../balancer/state/change.js'

/**
 * Makes a change of a pool.
 * @returns what `call.answer` has made, as soon as the change is in force, the pool's store has it, and all worker
 *   threads of the pool follow it
 * @throws what {@link makeChange} throws, and {@link StateNotSavedError}
 */
export async function changePool<T>(pool: Balancer, change: PoolChange, call: ChangeCall<T>): Promise<T> {
  const { keeper, workers } = pool
  const answered = keeper
    ? await keeper.change(change, call)
    : call.answer(makeChange(pool, change, call.check))
  await workers?.settled()
  return answered
}

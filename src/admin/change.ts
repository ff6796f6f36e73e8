import type { Balancer } from '../balancer/balancer.js'
import { type ChangeCall, makeChange, type PoolChange } from '../balancer/state/change.js'
import { conditionOf } from './entity-tags.js'

/**
 * Makes a change of a pool.
 * @param ifMatch the field If-Match of the call
 * @param answer makes the result once the change is in force
 * @returns what `answer` has made, as soon as the change is in force, the pool's store has it, and all worker
 *   threads of the pool follow it
 * @throws what {@link makeChange} throws, {@link StateNotSavedError}, and the errors of {@link conditionOf}
 */
export async function changePool<T>(
  pool: Balancer,
  change: PoolChange,
  ifMatch: string | undefined,
  answer: ChangeCall<T>['answer'],
): Promise<T> {
  const { keeper, workers } = pool
  const call = { check: conditionOf(ifMatch, change), answer }
  const answered = keeper
    ? await keeper.change(change, call)
    : call.answer(makeChange(pool, change, call.check))
  await workers?.settled()
  return answered
}

import type { TestContext } from 'node:test'
import { Balancer } from '../../src/balancer/balancer.js'
import type { BalancerOptions } from '../../src/balancer/options.js'
import { TestClock } from './clock.js'
import { until } from './until.js'

/**
 * A pool that `members` workers share, all of them in this thread and with one clock that passes when it is told to.
 * Whatever is in shared memory is seen at once; messages between the workers and the control plane take a turn of the
 * event loop.
 */
export function sharedPool(t: TestContext, { members, ...options }: BalancerOptions & { members: number }) {
  const clock = new TestClock()
  const control = new Balancer({ clock, random: () => 0, ...options, workers: members })
  // The ports between the workers and the control plane keep no process alive.
  const alive = setInterval(() => {}, 60_000)
  t.after(() => clearInterval(alive))
  const { workers } = control
  if (!workers) throw new Error('the pool has no workers')
  /** Starts a worker. */
  const join = () => {
    const worker = workers.connect()
    const { backends, ...rest } = options
    const member = new Balancer({ clock, random: () => 0, ...rest, shared: worker.handle })
    t.after(() => member.close())
    return { member, worker }
  }
  const joined = Array.from({ length: members }, join)
  t.after(() => control.close())
  return {
    clock,
    control,
    workers: joined.map(({ worker }) => worker),
    members: joined.map(({ member }) => member),
    join,
    /** Resolves once every worker has applied all changes so far. */
    async settled() {
      // A worker that has not begun yet is not waited for.
      await until(() => workers.list.every(({ applied }) => applied !== -1), Boolean)
      let isSettled = false
      workers.whenKnown(() => {
        isSettled = true
      })
      // Looking keeps the thread alive, which messages alone do not.
      await until(() => isSettled, Boolean)
    },
  }
}

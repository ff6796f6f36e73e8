import { LocalMemory } from '../memory.js'
import type { PoolHandle } from './messages.js'
import { SharedMemory } from './shared-memory.js'
import { PoolTable } from './table.js'

/** Makes the memory of a pool in this thread: shared memory only where the pool has other threads. */
export function memoryOf({
  workers,
  shared,
}: {
  workers: number
  shared?: PoolHandle | undefined
}): LocalMemory | SharedMemory {
  if (shared) return new SharedMemory(new PoolTable(shared.table), shared.worker)
  return workers > 0 ? new SharedMemory(PoolTable.create(workers)) : new LocalMemory()
}

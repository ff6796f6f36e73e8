import { workerData } from 'node:worker_threads'
import { LogRing } from '../../src/gateway/logging/log-ring.js'

// Adds numbered lines of many lengths, each again until there is room for it.
const { buffer, lines } = workerData as { buffer: SharedArrayBuffer; lines: number }
const pause = new Int32Array(new SharedArrayBuffer(4))
const ring = new LogRing(buffer)
for (let i = 0; i < lines; i++) {
  const line = `${i} ${'é'.repeat((i * 7) % 90)}\n`
  for (let dropped = ring.dropped; ; dropped = ring.dropped) {
    ring.add(line)
    if (ring.dropped === dropped) break
    // The other thread needs the processor to make room.
    Atomics.wait(pause, 0, 0, 1)
  }
}

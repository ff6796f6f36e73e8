import type { Socket } from 'node:net'

/** What is known of a connection that outlives its writes. */
interface Watch {
  /** The error of the first write that failed; nothing is written from then on. */
  error: Error | undefined
  /** Told of it, once. */
  onBroken: ((error: Error) => void) | undefined
}

type Done = (error?: Error | null) => void

const watches = new WeakMap<Socket, Watch>()

/**
 * Keeps a connection readable after a write to it has failed. A server that answers an upload early and closes resets the
 * connection: its answer is there to be read, but Node would destroy the connection at the next write, and the answer
 * with it. From the first write that fails on, whatever is written is dropped, and the connection ends as it is read
 * to its end. With TLS the same, as its records arrive below.
 * @param onBroken called when a write fails, instead of those that were called for earlier uploads
 */
export function outliveBrokenWrites(socket: Socket, onBroken: (error: Error) => void): void {
  const known = watches.get(socket)
  if (known) {
    known.onBroken = onBroken
    return
  }
  const watch: Watch = { error: undefined, onBroken }
  watches.set(socket, watch)
  const { _write, _writev, _final } = socket
  const guarded =
    (done: Done): Done =>
    (error) => {
      if (error) fail(watch, error)
      done()
    }
  socket._write = (chunk, encoding, done) => {
    if (watch.error) done()
    else _write.call(socket, chunk, encoding, guarded(done))
  }
  // Node hands several chunks over at once where it can.
  if (_writev) {
    socket._writev = (chunks, done) => {
      if (watch.error) done()
      else _writev.call(socket, chunks, guarded(done))
    }
  }
  // There is no half of a broken connection that could be closed.
  socket._final = (done) => {
    if (watch.error) done()
    else _final.call(socket, guarded(done))
  }
}

function fail(watch: Watch, error: Error): void {
  if (watch.error) return
  watch.error = error
  watch.onBroken?.(error)
}

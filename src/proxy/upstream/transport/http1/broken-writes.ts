import type { Socket } from 'node:net'

/** The state of a connection that stays readable after a failed write. */
interface Watch {
  /** The error of the first write that failed; after that error nothing more is written. */
  error: Error | undefined
  /** Called once, with the error of the first write that failed. */
  onBroken: ((error: Error) => void) | undefined
}

type Done = (error?: Error | null) => void

const watches = new WeakMap<Socket, Watch>()

/**
 * Keeps a connection readable after a write to it has failed. A server that responds to an upload early and closes the
 * connection resets it. The server's response can still be read, but Node would destroy the connection, and the
 * response with it, at the next write. So everything written after the first failure is dropped, and the connection is
 * read to its end.
 * @param onBroken called when a write fails; replaces the callback of an earlier request on this connection
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
  // Node writes several chunks at once if it can.
  if (_writev) {
    socket._writev = (chunks, done) => {
      if (watch.error) done()
      else _writev.call(socket, chunks, guarded(done))
    }
  }
  // A broken connection has no writing half that could be closed.
  socket._final = (done) => {
    if (watch.error) done()
    else _final.call(socket, guarded(done))
  }
}

/**
 * Drops the callback of a request that is over, because a kept connection would otherwise keep the request in memory.
 */
export function forgetBrokenWrites(socket: Socket): void {
  const watch = watches.get(socket)
  if (watch) watch.onBroken = undefined
}

function fail(watch: Watch, error: Error): void {
  if (watch.error) return
  watch.error = error
  watch.onBroken?.(error)
}

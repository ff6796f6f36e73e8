import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pendingOn } from './pipeline.js'

type ServerSocket = Socket & { _httpMessage?: ServerResponse }

/**
 * Does for a connection what Node no longer does once it has handed it out for an upgrade or CONNECT: responses to
 * earlier requests may still be under way on it, and their client may leave or stall.
 * @param discards whether what the client sends now is read and dropped
 */
export function adopt(socket: Socket, discards = false): void {
  socket.removeAllListeners('timeout')
  // An error is followed by the event `close`, which tells enough.
  socket.on('error', ignore)
  socket.on('drain', passDrainOn)
  socket.on('timeout', passTimeoutOn)
  // That a client has left is noticed only while its connection is read.
  if (discards) socket.on('data', ignore)
  else socket.on('readable', noticeEnd)
  socket.on('end', destroy)
}

/** Leaves the connection to whoever uses it next. Errors are still ignored. */
export function release(socket: Socket): void {
  socket
    .off('drain', passDrainOn)
    .off('timeout', passTimeoutOn)
    .off('data', ignore)
    .off('readable', noticeEnd)
    .off('end', destroy)
}

/** Calls `callback` once all earlier requests of the connection have their responses. Node does not wait for that. */
export function whenIdle(socket: Socket, callback: () => void): void {
  if (socket.destroyed) return
  const { _httpMessage: current } = socket as ServerSocket
  const again = () => setImmediate(() => whenIdle(socket, callback))
  if (current) current.once('close', again)
  else if (pendingOn(socket) > 0) again()
  else callback()
}

export function ignore(): void {}

function passDrainOn(this: ServerSocket): void {
  this._httpMessage?.emit('drain')
}

function passTimeoutOn(this: ServerSocket): void {
  this._httpMessage?.emit('timeout', this)
}

/** Leaves bytes of the client unread. If there are none, reading makes the event `end` come where the client has left. */
function noticeEnd(this: Socket): void {
  if (this.readableLength === 0) this.read()
}

function destroy(this: Socket): void {
  this.destroy()
}

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pendingOn } from './pipeline.js'

type ServerSocket = Socket & { _httpMessage?: ServerResponse }

/**
 * Takes over work that Node stops doing for a connection which it has handed out for an upgrade or CONNECT. Responses
 * to earlier requests may still be under way on the connection, and its client may leave or stall.
 * @param discards whether what the client sends now is read and dropped
 */
export function adopt(socket: Socket, discards = false): void {
  socket.removeAllListeners('timeout')
  // An error is always followed by the event `close`, and only that event is handled.
  socket.on('error', ignore)
  socket.on('drain', passDrainOn)
  socket.on('timeout', passTimeoutOn)
  // The socket reports that a client has left only while the connection is read.
  if (discards) socket.on('data', ignore)
  else socket.on('readable', noticeEnd)
  socket.on('end', destroy)
}

/** Hands the connection over to its next user. Errors are still ignored. */
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

/**
 * Leaves bytes of the client unread. Where there are none, a read makes the event `end` come if the client has left.
 */
function noticeEnd(this: Socket): void {
  if (this.readableLength === 0) this.read()
}

function destroy(this: Socket): void {
  this.destroy()
}

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pendingOn } from './pipeline.js'

type Served = Socket & { _httpMessage?: ServerResponse }

/**
 * Does for a connection what Node does no more, once it has handed it out for an upgrade or CONNECT: answers
 * may still be under way on it, and their client may leave or stall.
 * @param discard whether what the client sends now is for nobody
 */
export function adopt(socket: Socket, discard = false): void {
  socket.removeAllListeners('timeout')
  // What becomes of it, its closing tells.
  socket.on('error', ignore)
  socket.on('drain', drain)
  socket.on('timeout', timeout)
  // That a client leaves is seen only by who reads.
  if (discard) socket.on('data', ignore)
  else socket.on('readable', look)
  socket.on('end', leave)
}

/** Leaves it to others again. Errors are still taken. */
export function release(socket: Socket): void {
  socket
    .off('drain', drain)
    .off('timeout', timeout)
    .off('data', ignore)
    .off('readable', look)
    .off('end', leave)
}

/** Calls `callback` once everything that a client sent before was answered. Node does not wait for that. */
export function whenIdle(socket: Socket, callback: () => void): void {
  if (socket.destroyed) return
  const { _httpMessage: current } = socket as Served
  const again = () => setImmediate(() => whenIdle(socket, callback))
  if (current) current.once('close', again)
  else if (pendingOn(socket) > 0) again()
  else callback()
}

export function ignore(): void {}

function drain(this: Served): void {
  this._httpMessage?.emit('drain')
}

function timeout(this: Served): void {
  this._httpMessage?.emit('timeout', this)
}

/** Leaves what was sent ahead where it is; where nothing was, the end shows itself. */
function look(this: Socket): void {
  if (this.readableLength === 0) this.read()
}

function leave(this: Socket): void {
  this.destroy()
}

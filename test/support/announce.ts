import { Server } from 'node:net'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'

// Loaded before a program that is run from a document, and before each of its worker threads: tells whoever started it
// where it listens.
const { emit } = Server.prototype
const workers = new BroadcastChannel('where workers listen')
workers.unref()
if (isMainThread) workers.onmessage = (event) => tell((event as MessageEvent).data, 'worker')

function tell(address: unknown, thread: 'main' | 'worker'): void {
  process.send?.({ address, thread })
}

Server.prototype.emit = function (this: Server, ...args: Parameters<typeof emit>) {
  if (String(args[0]) === 'listening') {
    if (isMainThread) tell(this.address(), 'main')
    else workers.postMessage(this.address())
  }
  return emit.apply(this, args)
} as typeof emit

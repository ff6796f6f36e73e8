import { Server } from 'node:net'

// Loaded before a program that is run from a document: tells whoever started it where it listens.
const { emit } = Server.prototype
Server.prototype.emit = function (this: Server, ...args: Parameters<typeof emit>) {
  if (String(args[0]) === 'listening') process.send?.(this.address())
  return emit.apply(this, args)
} as typeof emit
